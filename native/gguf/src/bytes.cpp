#include "gguf/bytes.hpp"

#include <algorithm>
#include <cstring>

namespace gguf {

std::size_t MemoryBytes::read(std::uint64_t offset, std::uint8_t* out, std::size_t count) const {
    if (offset >= size_ || count == 0) {
        return 0;
    }
    const std::size_t there = std::min(count, size_ - static_cast<std::size_t>(offset));
    std::memcpy(out, data_ + offset, there);
    return there;
}

}  // namespace gguf
