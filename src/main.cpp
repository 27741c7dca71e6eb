#include "cli.hpp"

int main(int argc, char** argv) { return mcplb::run_command_line(argc, argv); }
