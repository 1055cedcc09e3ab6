#include "buffer.hpp"

#include <cstdlib>
#include <new>

namespace verify {

void Buffer::Free::operator()(std::uint8_t* memory) const { std::free(memory); }

std::uint8_t* Buffer::room_for(std::size_t bytes) {
    if (bytes > bytes_) {
        memory_.reset(static_cast<std::uint8_t*>(std::aligned_alloc(page_bytes, bytes)));
        if (memory_ == nullptr) {
            bytes_ = 0;
            throw std::bad_alloc();
        }
        bytes_ = bytes;
    }
    return memory_.get();
}

}  // namespace verify
