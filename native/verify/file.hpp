#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "buffer.hpp"
#include "gguf/bytes.hpp"

namespace verify {

/// A regular file: small reads for its header, and views of its weights as fast as they come.
///
/// Weights that the page cache has are looked at where they lie, by a mapping. Others are read past the cache
/// (O_DIRECT), which is as fast as the disk and leaves in the cache what a running server has there. Measurements:
/// native/README.md.
class File final : public gguf::Bytes {
  public:
    /// Throws std::system_error if it cannot be opened or is not a regular file.
    explicit File(const std::string& path);
    ~File() override;
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    std::uint64_t size() const override { return size_; }
    std::size_t read(std::uint64_t offset, std::uint8_t* out, std::size_t count) const override;

    /// `count` bytes from `offset` on, which are within the file. They stay until the next use of `buffer`.
    /// Throws std::system_error if they cannot be read. May be called by several threads, each with its buffer.
    const std::uint8_t* view(std::uint64_t offset, std::size_t count, Buffer& buffer) const;

  private:
    bool cached(std::uint64_t offset, std::size_t count) const;

    int cached_fd_ = -1;
    int direct_fd_ = -1;  // -1: this file system has no direct reads
    std::uint64_t size_ = 0;
    std::uint8_t* mapping_ = nullptr;  // nullptr: too large for the address space, or not to be mapped
};

}  // namespace verify
