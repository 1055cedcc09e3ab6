#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "buffer.hpp"
#include "gguf/bytes.hpp"

namespace verify {

/// A regular file: small reads for its header, and its weights as fast as they come.
///
/// What the page cache has is copied from there in parts that fit into the processor's cache. The rest is read past the
/// cache (O_DIRECT), which is as fast as the disk and leaves in the cache what a running server has there.
/// Measurements: native/README.md.
class File final : public gguf::Bytes {
  public:
    /// Throws std::system_error if it cannot be opened or is not a regular file.
    explicit File(const std::string& path);
    ~File() override;
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    std::uint64_t size() const override { return size_; }
    std::size_t read(std::uint64_t offset, std::uint8_t* out, std::size_t count) const override;

    /// Whether the page cache seems to have these bytes of the file: a few of their pages are asked for.
    bool cached(std::uint64_t offset, std::size_t count) const;

    /// `count` bytes from `offset` on, which are within the file; past the cache if `direct`. They stay until the next
    /// use of `buffer`. Throws std::system_error if they cannot be read. For several threads, each with its buffer.
    const std::uint8_t* fetch(std::uint64_t offset, std::size_t count, bool direct, Buffer& buffer) const;

  private:
    int cached_fd_ = -1;
    int direct_fd_ = -1;  // -1: this file system has no direct reads
    std::uint64_t size_ = 0;
    void* mapping_ = nullptr;  // never read, only asked what of it is in memory; nullptr: cannot be asked
};

}  // namespace verify
