// What strix-verify says about a file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gguf/reader.hpp"

namespace verify {

enum class Verdict {
    good,        // nothing wrong was found in what was checked
    bad,         // the bytes are not those of a complete, sane GGUF
    unreadable,  // the file could not be read
};

/// Why there is no header.
struct HeaderError {
    std::string kind;  // gguf::name(Fault), or "io"
    std::string what;
    std::optional<std::uint64_t> byte;  // of the file
};

/// Something wrong in the weights or their places.
struct Problem {
    std::optional<std::string> tensor;
    std::optional<std::uint64_t> index;  // of the first bad block; a value for types without blocks
    std::uint64_t byte = 0;              // of the file
    std::uint64_t count = 1;             // of the same kind in this tensor
    std::string what;
};

/// Sums over the tensors of a type, and what was looked at in them.
struct Total {
    std::string type;
    std::uint32_t type_id = 0;
    std::uint64_t tensors = 0;
    std::uint64_t weights = 0;
    std::uint64_t bytes = 0;
    bool checked = false;
    std::string what;                 // was checked of each block, or why nothing was
    std::uint64_t checked_bytes = 0;  // of the tensors that were looked at
};

/// All about one file.
struct Result {
    std::string path;
    std::uint64_t size = 0;
    Verdict verdict = Verdict::good;
    std::optional<HeaderError> error;  // then there is no header
    gguf::Header header;
    std::vector<Total> totals;  // largest first
    std::vector<Problem> problems;
    std::vector<std::string> notes;  // of interest, but nothing wrong
};

/// "good", "bad" or "unreadable".
const char* name(Verdict verdict);

/// The name of a tensor's type; an id of some other fork is "unknown-ID".
std::string type_name(const gguf::Tensor& tensor);

/// Bits of all tensors by weights; 0 without weights.
double bits_per_weight(std::uint64_t bytes, std::uint64_t weights);

}  // namespace verify
