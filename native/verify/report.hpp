// What strix-verify prints.
#pragma once

#include <string>
#include <vector>

#include "result.hpp"

namespace verify {

/// For people: a few lines for each file.
std::string report_text(const std::vector<Result>& results);

/// For programs; the schema is in native/README.md.
std::string report_json(const std::vector<Result>& results);

}  // namespace verify
