// The loops over the weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gguf/types.hpp"
#include "rules.hpp"

namespace verify {

/// What a scan found in consecutive blocks.
struct Found {
    std::uint64_t count = 0;  // fields that are wrong
    std::uint64_t first = 0;  // the first block that has one; without meaning if count is 0
    std::uint32_t place = 0;  // offset of that field in its block
    const char* what = "";    // what it is: "NaN", "infinity", "invalid scale byte"
};

/// Hold `blocks` blocks of `type` at `data` against `rule`, the one of that type.
Found scan(const Rule& rule, const gguf::Type& type, const std::uint8_t* data, std::size_t blocks);

}  // namespace verify
