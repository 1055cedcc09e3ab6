#include "cursor.hpp"

#include <algorithm>

namespace gguf {

const char* name(Fault fault) {
    switch (fault) {
        case Fault::not_gguf:
            return "not-gguf";
        case Fault::zeros:
            return "zeros";
        case Fault::truncated:
            return "truncated";
        case Fault::malformed:
            return "malformed";
    }
    return "malformed";
}

void Cursor::need(std::uint64_t count) const {
    if (count > left()) {
        throw error(Fault::truncated,
                    "the file ends inside the header: " + std::to_string(count) + " more bytes announced");
    }
}

void Cursor::skip(std::uint64_t count) {
    need(count);
    position_ += count;
}

std::string Cursor::take(std::size_t count) {
    need(count);
    std::string bytes(count, '\0');
    copy(reinterpret_cast<std::uint8_t*>(bytes.data()), count);
    return bytes;
}

void Cursor::copy(std::uint8_t* out, std::size_t count) {
    while (count > 0) {
        if (position_ < window_start_ || position_ >= window_start_ + window_size_) {
            fill();
        }
        const std::size_t begin = static_cast<std::size_t>(position_ - window_start_);
        const std::size_t part = std::min(count, window_size_ - begin);
        std::memcpy(out, window_.data() + begin, part);
        out += part;
        position_ += part;
        count -= part;
    }
}

void Cursor::fill() {
    window_start_ = position_;
    window_size_ = bytes_.read(position_, window_.data(), window_.size());
    if (window_size_ == 0) {
        throw error(Fault::truncated, "the file became shorter while it was read");
    }
}

}  // namespace gguf
