#pragma once

#include <optional>
#include <string>
#include <vector>

namespace verify {

/// The command line.
struct Options {
    bool json = false;
    bool help = false;
    unsigned threads = 0;
    std::vector<std::string> files;
    std::string error;  // not empty: it could not be understood
};

/// What --help prints.
extern const char* const usage;

/// Understand the command line. getopt_long of the C library: with two options, a parser library is one more package on
/// every box for nothing.
Options parse(int argc, char** argv);

/// Threads for a number of processors: a disk wants at least two reads at a time, and no more than sixteen.
unsigned default_threads();

}  // namespace verify
