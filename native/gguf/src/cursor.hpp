#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "gguf/bytes.hpp"
#include "gguf/error.hpp"

namespace gguf {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF files are little-endian, and read without swapping");

/// Reads forward through a small window, and never claims bytes that the file does not have.
class Cursor {
  public:
    explicit Cursor(const Bytes& bytes) : bytes_(bytes), size_(bytes.size()) {}

    std::uint64_t position() const { return position_; }
    std::uint64_t left() const { return size_ - position_; }

    /// Throw unless `count` more bytes are there.
    void need(std::uint64_t count) const;
    /// Pass over `count` bytes.
    void skip(std::uint64_t count);
    /// The next `count` bytes; the caller has bounded `count`.
    std::string take(std::size_t count);
    /// A number of type T as it lies in the file.
    template <typename T>
    T number() {
        T value{};
        need(sizeof value);
        copy(reinterpret_cast<std::uint8_t*>(&value), sizeof value);
        return value;
    }

    /// An error at the position, or `back` bytes before it.
    Error error(Fault fault, const std::string& message, std::uint64_t back = 0) const {
        return Error(fault, message, position_ - back);
    }

  private:
    /// The next `count` bytes, which are there, to `out`.
    void copy(std::uint8_t* out, std::size_t count);
    /// Fill the window from the position on.
    void fill();

    const Bytes& bytes_;
    std::uint64_t size_;
    std::uint64_t position_ = 0;
    std::uint64_t window_start_ = 0;
    std::size_t window_size_ = 0;
    std::array<std::uint8_t, 4096> window_{};
};

}  // namespace gguf
