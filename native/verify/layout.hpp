// Whether the tensors lie where they should, as far as the header and the length of the file tell.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "result.hpp"

namespace verify {

/// Tensors that do not follow each other in the order of the file, which llama.cpp refuses, and the end of a file that
/// is too short.
std::vector<Problem> layout_problems(const gguf::Header& header, std::uint64_t file_size);

/// Bytes after the last tensor; sizes that are not known.
std::vector<std::string> layout_notes(const gguf::Header& header, std::uint64_t file_size);

/// Whether all of the tensor's bytes are within the file.
bool is_within(const gguf::Header& header, const gguf::Tensor& tensor, std::uint64_t file_size);

/// Sums by type, largest first. What a hostile header claims may be more than 2^64 - 1, and is that much then.
std::vector<Total> totals_of(const gguf::Header& header);

/// Tensors, weights and bytes of all types.
Total sum_of(const std::vector<Total>& totals);

}  // namespace verify
