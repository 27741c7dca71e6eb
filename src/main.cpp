#include "cli.hpp"

#include <cstdio>

int main(int argc, char** argv) {
#ifdef __x86_64__
  if (__builtin_cpu_supports("sse4.2") == 0) {
    std::fputs("mcplb: this build needs a processor with SSE4.2 (x86-64-v2)\n", stderr);
    return 1;
  }
#endif
  return mcplb::run_command_line(argc, argv);
}
