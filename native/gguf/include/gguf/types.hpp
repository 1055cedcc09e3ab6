// Tensor types of GGUF files: ggml's own and those of the ROCmFP4 fork (ROCmFPX) from id 100 on.
#pragma once

#include <cstdint>

namespace gguf {

/// `block` weights take `bytes` bytes.
struct Type {
    std::uint32_t id;
    const char* name;
    std::uint32_t block;
    std::uint32_t bytes;
};

/// The type of this id; nullptr for an id that neither ggml nor the fork has.
const Type* find_type(std::uint32_t id);

}  // namespace gguf
