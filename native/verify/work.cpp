#include "work.hpp"

#include <algorithm>

namespace verify {

std::optional<Piece> Work::next() {
    const std::lock_guard<std::mutex> lock(mutex_);
    while (task_ < tasks_.size()) {
        const gguf::Tensor& tensor = *tasks_[task_].tensor;
        const std::uint64_t blocks = tensor.bytes / tensor.type->bytes;
        if (block_ < blocks) {
            const std::uint64_t most = std::max<std::uint64_t>(1, piece_bytes_ / tensor.type->bytes);
            const std::uint64_t here = std::min(most, blocks - block_);
            const Piece piece{task_, block_, static_cast<std::size_t>(here)};
            block_ += here;
            return piece;
        }
        ++task_;
        block_ = 0;
    }
    return std::nullopt;
}

void Work::stop() {
    const std::lock_guard<std::mutex> lock(mutex_);
    task_ = tasks_.size();
}

}  // namespace verify
