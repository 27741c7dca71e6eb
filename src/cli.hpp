// The command line: what is asked for, and what is printed. Exit codes: 0 fine, 1 failed at run
// time, 2 wrong usage or configuration.
#pragma once

namespace mcplb {

int run_command_line(int argc, char** argv);

}  // namespace mcplb
