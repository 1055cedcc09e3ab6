// Reader of GGUF headers (versions 2 and 3): metadata and tensor infos, never the weights.
//
// A hostile file costs a bounded amount of time and memory, then an Error: nothing is allocated for a count before the
// file is seen to have that much. The format is described in ggml's docs/gguf.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gguf/bytes.hpp"
#include "gguf/error.hpp"
#include "gguf/types.hpp"

namespace gguf {

/// Limits, far above what real files have; strixkit/planner/gguf.py has the same.
constexpr std::uint64_t max_keys = 4096;
constexpr std::uint64_t max_tensors = 32768;
constexpr std::uint64_t max_strings = 1U << 21;  // elements of all arrays of strings together
constexpr std::uint64_t max_key_bytes = 1024;
constexpr std::uint64_t max_name_bytes = 128;
constexpr std::uint64_t max_alignment = std::uint64_t{1} << 31;
constexpr std::uint64_t max_tensor_bytes = std::uint64_t{1} << 62;  // also of its offset: sums cannot overflow
/// Longer strings are passed over: nothing here looks at them.
constexpr std::uint64_t kept_string_bytes = 4096;

/// A metadata value that was passed over: an array or a long string.
struct Skipped {};

/// A metadata value. Signed and unsigned integers of all widths, both widths of floats.
using Value = std::variant<Skipped, std::uint64_t, std::int64_t, double, bool, std::string>;

/// A metadata key with its value.
struct Entry {
    std::string key;
    Value value;
};

/// A tensor info. extents[0] is the row length.
struct Tensor {
    std::string name;
    std::uint32_t rank = 0;
    std::array<std::uint64_t, 4> extents{};
    std::uint32_t type_id = 0;
    const Type* type = nullptr;     // nullptr: an id of some other fork
    std::uint64_t weights = 0;      // product of the extents; less than 2^63
    std::uint64_t offset = 0;       // from the start of the data, bytes
    std::uint64_t bytes = 0;        // by the type, or for an unknown one the room up to the next tensor
    std::uint64_t info_offset = 0;  // where its info starts in the file
};

/// All of a GGUF file but the weights; tensors in the order of the file.
struct Header {
    std::uint32_t version = 0;
    std::uint64_t alignment = 32;
    std::uint64_t data_offset = 0;  // may lie beyond the end of a file that has no tensors
    std::vector<Entry> metadata;
    std::vector<Tensor> tensors;

    /// The value of a key; nullptr if there is none.
    const Value* find(const std::string& key) const;
    /// The value of a key that is text.
    std::optional<std::string> text(const std::string& key) const;
    /// The value of a key that is an integer and not negative.
    std::optional<std::uint64_t> number(const std::string& key) const;
};

/// Read the header. Throws Error, or what `bytes` throws.
Header read_header(const Bytes& bytes);

/// `position` rounded up to `alignment`, a power of two.
constexpr std::uint64_t align_up(std::uint64_t position, std::uint64_t alignment) {
    return (position + alignment - 1) & ~(alignment - 1);
}

/// The file's least size in bytes with this header; writers may pad the last tensor.
std::uint64_t expected_size(const Header& header);

}  // namespace gguf
