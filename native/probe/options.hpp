// The command line of strix-probe.
#pragma once

#include <string>
#include <vector>

#include "measure.hpp"

namespace probe {

/// What the user wants.
struct Options {
    std::string device;  // a backend's name; empty: the first that has a device
    int index = -1;      // -1: the first that is no software, else the first
    bool list = false;
    bool json = false;
    bool help = false;
    Settings settings;  // without shapes, or with 0 bytes, where the user leaves the choice
};

/// Read the arguments behind the program's name. Throws std::invalid_argument with what is wrong.
Options options_of(const std::vector<std::string>& arguments);

/// Choose what the user left open: all of the model's matrices and 1 GiB; on a software device, which would take hours
/// for rates that say nothing of a GPU, small ones and 64 MiB.
void complete(Settings& settings, bool software);

/// Text of --help.
std::string help();

}  // namespace probe
