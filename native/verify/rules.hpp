// What can be wrong with a block of each tensor type, as far as it is certain.
#pragma once

#include <cstdint>
#include <vector>

#include "gguf/types.hpp"

namespace verify {

/// What a field of a block must be.
enum class Field {
    scale_byte,  // a ROCmFP4 scale byte: at most 0x7e
    e8m0,        // an exponent byte of the OCP microscaling formats: not 0xff, which is NaN
    f16,         // the others: a finite number of that format
    bf16,
    f32,
    f64,
};

/// A field, `offset` bytes from the start of its block.
struct Place {
    Field field;
    std::uint32_t offset;
};

/// The fields of a type that are checked in every block.
struct Rule {
    std::uint32_t type_id;
    const char* what;  // for people: "the scale bytes of every block"
    std::vector<Place> places;
};

/// The rule of a type; nullptr if nothing of its blocks is checked.
const Rule* find_rule(std::uint32_t type_id);

/// Why find_rule has none for this type.
const char* why_unchecked(std::uint32_t type_id);

}  // namespace verify
