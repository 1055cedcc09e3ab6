// Copies of a matrix in ROCmFP4, each multiplied with a vector.
#pragma once

#include <vector>

#include "program.hpp"

namespace probe::vulkan {

/// A matrix that is larger than a shader may bind, or has more rows than one dispatch takes, is cut between rows.
class VulkanMatvec : public Matvec {
  public:
    VulkanMatvec(Context& context, const MatvecJob& job);
    void write(std::uint32_t copy, std::uint64_t offset, const std::uint8_t* data, std::uint64_t size) override;
    double run(std::uint32_t passes) override;
    std::vector<float> result(std::uint32_t copy) override;
    std::uint32_t depth() const override;

  private:
    struct Copy {
        Buffer matrix;
        Buffer result;
        std::vector<Dispatch> dispatches;
    };

    Context& context_;
    Shape shape_;
    std::uint32_t part_rows_;
    std::uint32_t parts_;
    Program program_;
    Buffer input_;
    std::vector<Copy> copies_;
};

}  // namespace probe::vulkan
