// A large buffer that is read or copied.
#pragma once

#include <vector>

#include "program.hpp"

namespace probe::vulkan {

/// Works on parts of the buffer that are no larger than a shader may bind.
class VulkanStream : public Stream {
  public:
    VulkanStream(Context& context, VkDeviceSize bytes);
    double read(std::uint32_t count) override;
    double copy(std::uint32_t count) override;
    std::uint32_t sum() override;
    std::uint32_t sum_of_copy() override;

  private:
    double passes(const Program& program, const std::vector<Dispatch>& dispatches, std::uint32_t count);

    Context& context_;
    VkDeviceSize part_bytes_;
    std::uint32_t parts_;
    Buffer from_;
    Buffer to_;
    Buffer sums_;
    Program fill_;
    Program read_;
    Program copy_;
    std::vector<Dispatch> reads_;
    std::vector<Dispatch> reads_of_copy_;
    std::vector<Dispatch> copies_;
};

}  // namespace probe::vulkan
