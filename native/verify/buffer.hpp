#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace verify {

/// What direct reads want of addresses, offsets and sizes, in bytes: enough for every disk in use.
constexpr std::size_t page_bytes = 4096;

/// Memory for direct reads, aligned to a page. Grows to what was asked for, and starts with nothing.
class Buffer {
  public:
    /// At least `bytes` bytes, a multiple of page_bytes; what was there before is lost.
    std::uint8_t* room_for(std::size_t bytes);

  private:
    struct Free {
        void operator()(std::uint8_t* memory) const;
    };
    std::unique_ptr<std::uint8_t, Free> memory_;
    std::size_t bytes_ = 0;
};

}  // namespace verify
