// Where the bytes of a GGUF file come from.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gguf {

/// Bytes that can be read at any place, as of a file.
class Bytes {
  public:
    virtual ~Bytes() = default;
    /// How many there are.
    virtual std::uint64_t size() const = 0;
    /// Copy up to `count` bytes from `offset` on to `out`; returns how many, less than `count` only at the end.
    /// Throws std::system_error if they cannot be read.
    virtual std::size_t read(std::uint64_t offset, std::uint8_t* out, std::size_t count) const = 0;

  protected:
    Bytes() = default;
    Bytes(const Bytes&) = default;
    Bytes& operator=(const Bytes&) = default;
};

/// Bytes in memory that somebody else owns.
class MemoryBytes final : public Bytes {
  public:
    MemoryBytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
    std::uint64_t size() const override { return size_; }
    std::size_t read(std::uint64_t offset, std::uint8_t* out, std::size_t count) const override;

  private:
    const std::uint8_t* data_;
    std::size_t size_;
};

}  // namespace gguf
