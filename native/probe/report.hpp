// What a person reads, and what a program reads.
#pragma once

#include <string>
#include <vector>

#include "measure.hpp"

namespace probe {

/// One line about a device, as --list shows it.
std::string line_of(const DeviceInfo& device);

/// What the newest part of the findings has to say; empty before there is anything.
std::string newest(const Findings& findings);

/// The last line: whether it computes right, and how fast.
std::string verdict(const Findings& findings);

/// The document of --json; its schema is in native/README.md.
std::string json_of(const Findings& findings);

/// The document of --list --json.
std::string json_of(const std::vector<DeviceInfo>& devices);

}  // namespace probe
