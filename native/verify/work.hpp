#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "gguf/reader.hpp"
#include "rules.hpp"

namespace verify {

/// A tensor whose blocks are to be looked at.
struct Task {
    const gguf::Tensor* tensor;
    const Rule* rule;
};

/// Consecutive blocks of a task, small enough for a buffer.
struct Piece {
    std::size_t task;
    std::uint64_t first_block;
    std::size_t blocks;
};

/// Hands out the pieces of all tasks in their order, to any number of threads.
class Work {
  public:
    Work(const std::vector<Task>& tasks, std::size_t piece_bytes) : tasks_(tasks), piece_bytes_(piece_bytes) {}
    /// The next piece; nothing after the last, or after stop().
    std::optional<Piece> next();
    /// Hand out no more.
    void stop();

  private:
    const std::vector<Task>& tasks_;
    std::size_t piece_bytes_;
    std::mutex mutex_;
    std::size_t task_ = 0;
    std::uint64_t block_ = 0;
};

}  // namespace verify
