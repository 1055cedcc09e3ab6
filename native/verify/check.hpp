#pragma once

#include <string>

#include "result.hpp"

namespace verify {

/// Read the header of a file and check all that can be checked, with `threads` threads. Throws only what has nothing to
/// do with the file, such as std::bad_alloc.
Result check_file(const std::string& path, unsigned threads);

}  // namespace verify
