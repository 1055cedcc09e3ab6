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
    Settings settings;
};

/// Read the arguments behind the program's name. Throws std::invalid_argument with what is wrong.
Options options_of(const std::vector<std::string>& arguments);

/// Text of --help.
std::string help();

}  // namespace probe
