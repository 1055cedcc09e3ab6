#include "matvec.hpp"

#include <algorithm>

#include "../kernel_math.h"
#include "shaders.hpp"

namespace probe::vulkan {
namespace {

// So many rows of any length, and their results, begin at a multiple of every storage buffer's alignment.
constexpr std::uint32_t row_step = 256;

const Code& code_of(const MatvecJob& job) {
    const bool fast = job.shape.layout == rocmfp4::Layout::fast;
    if (job.number == Number::f32) {
        return fast ? shaders::matvec_fast_f32 : shaders::matvec_dual_f32;
    }
    return fast ? shaders::matvec_fast_f16 : shaders::matvec_dual_f16;
}

/// Rows of one dispatch.
std::uint32_t rows_at_once(const Context& context, const Shape& shape) {
    const std::uint64_t row_bytes = shape.bytes() / shape.rows;
    const std::uint64_t bound = context.limits().maxStorageBufferRange / row_bytes;
    const std::uint64_t dispatched = std::uint64_t{context.limits().maxComputeWorkGroupCount[0]} * rows_together;
    const auto most = static_cast<std::uint32_t>(std::min({bound, dispatched, std::uint64_t{1} << 31U}));
    if (shape.rows <= most) {
        return shape.rows;
    }
    if (most < row_step) {
        throw std::runtime_error("rows of " + std::to_string(shape.columns) + " columns are too long for this device");
    }
    return most / row_step * row_step;
}

}  // namespace

VulkanMatvec::VulkanMatvec(Context& context, const MatvecJob& job)
    : context_(context),
      shape_(job.shape),
      part_rows_(rows_at_once(context, shape_)),
      parts_((shape_.rows + part_rows_ - 1) / part_rows_),
      program_(context, code_of(job), 3, {lanes_together, rows_together, job.fault == Fault::nibbles ? 1U : 0U},
               parts_ * job.copies),
      input_(context.storage(job.input.size())),
      copies_(job.copies) {
    context.write(input_, 0, job.input.data(), job.input.size());
    const VkDeviceSize row_bytes = shape_.bytes() / shape_.rows;
    for (Copy& copy : copies_) {
        copy.matrix = context.storage(shape_.bytes());
        copy.result = context.storage(shape_.rows * sizeof(float));
        for (std::uint32_t first = 0; first < shape_.rows; first += part_rows_) {
            const std::uint32_t rows = std::min(part_rows_, shape_.rows - first);
            const VkDescriptorSet set = program_.bind({{&copy.matrix, first * row_bytes, rows * row_bytes},
                                                       {&input_, 0, input_.bytes},
                                                       {&copy.result, first * sizeof(float), rows * sizeof(float)}});
            const std::uint32_t groups = (rows + rows_together - 1) / rows_together;
            copy.dispatches.push_back({set, {rows, shape_.columns / slot_weights}, groups});
        }
    }
}

void VulkanMatvec::write(std::uint32_t copy, std::uint64_t offset, const std::uint8_t* data, std::uint64_t size) {
    context_.write(copies_.at(copy).matrix, offset, data, size);
}

double VulkanMatvec::run(std::uint32_t passes) {
    return context_.run([&](VkCommandBuffer commands) {
        for (std::uint32_t pass = 0; pass < passes; ++pass) {
            for (const Copy& copy : copies_) {
                for (const Dispatch& dispatch : copy.dispatches) {
                    program_.record(commands, dispatch);
                }
                between_dispatches(commands);  // in a model, one product is what the next one needs
            }
        }
    });
}

std::vector<float> VulkanMatvec::result(std::uint32_t copy) {
    std::vector<float> found(shape_.rows);
    context_.read(copies_.at(copy).result, 0, found.data(), found.size() * sizeof(float));
    return found;
}

std::uint32_t VulkanMatvec::depth() const {
    // Of matvec.comp: the product, four sums of a slot, two halves, the scale, the slots of a lane, and all lanes of a
    // workgroup one after the other, which is the worst order that a subgroup could add in.
    const std::uint32_t slots = (shape_.columns / slot_weights + lanes_together - 1) / lanes_together;
    return 1 + 4 + 1 + 1 + slots + lanes_together;
}

}  // namespace probe::vulkan
