#include "stream.hpp"

#include <algorithm>
#include <numeric>

#include "shaders.hpp"

namespace probe::vulkan {
namespace {

constexpr std::uint32_t most_groups = 2048;  // of 256 lanes: more than any of these devices has at once
constexpr VkDeviceSize vector_bytes = 16;
constexpr VkDeviceSize part_step = 4096;  // a multiple of every storage buffer's alignment
constexpr std::uint32_t lanes = 256;      // of the shaders' workgroups

}  // namespace

VulkanStream::VulkanStream(Context& context, VkDeviceSize bytes)
    : context_(context),
      part_bytes_(std::min<VkDeviceSize>(context.limits().maxStorageBufferRange / part_step * part_step, bytes)),
      parts_(static_cast<std::uint32_t>((bytes + part_bytes_ - 1) / part_bytes_)),
      from_(context.storage(bytes)),
      to_(context.storage(bytes)),
      sums_(context.storage(VkDeviceSize{parts_} * most_groups * sizeof(std::uint32_t))),
      fill_(context, shaders::fill, 1, {}, parts_),
      read_(context, shaders::read, 2, {}, 2 * parts_),
      copy_(context, shaders::copy, 2, {}, parts_) {
    std::vector<Dispatch> fills;
    for (std::uint32_t i = 0; i < parts_; ++i) {
        const VkDeviceSize offset = i * part_bytes_;
        const VkDeviceSize size = std::min(part_bytes_, bytes - offset);
        const auto vectors = static_cast<std::uint32_t>(size / vector_bytes);
        const auto first_word = static_cast<std::uint32_t>(offset / sizeof(std::uint32_t));
        const std::uint32_t groups = std::clamp<std::uint32_t>(vectors / lanes, 1, most_groups);
        const Part from{&from_, offset, size};
        const Part to{&to_, offset, size};
        const VkDeviceSize sums_bytes = most_groups * sizeof(std::uint32_t);
        const Part sums{&sums_, i * sums_bytes, sums_bytes};
        fills.push_back({fill_.bind({from}), {vectors, first_word}, groups});
        reads_.push_back({read_.bind({from, sums}), {vectors, first_word}, groups});
        reads_of_copy_.push_back({read_.bind({to, sums}), {vectors, first_word}, groups});
        copies_.push_back({copy_.bind({from, to}), {vectors, first_word}, groups});
    }
    passes(fill_, fills, 1);
}

double VulkanStream::read(std::uint32_t count) { return passes(read_, reads_, count); }

double VulkanStream::copy(std::uint32_t count) { return passes(copy_, copies_, count); }

std::uint32_t VulkanStream::sum_of_copy() {
    passes(read_, reads_of_copy_, 1);
    return sum();
}

std::uint32_t VulkanStream::sum() {
    std::vector<std::uint32_t> sums(std::size_t{parts_} * most_groups);
    context_.read(sums_, 0, sums.data(), sums.size() * sizeof sums[0]);
    std::uint32_t total = 0;
    for (std::uint32_t i = 0; i < parts_; ++i) {
        const auto first = sums.begin() + static_cast<std::ptrdiff_t>(std::size_t{i} * most_groups);
        total = std::accumulate(first, first + reads_[i].groups, total);
    }
    return total;
}

double VulkanStream::passes(const Program& program, const std::vector<Dispatch>& dispatches, std::uint32_t count) {
    return context_.run([&](VkCommandBuffer commands) {
        for (std::uint32_t pass = 0; pass < count; ++pass) {
            for (const Dispatch& dispatch : dispatches) {
                program.record(commands, dispatch);
            }
            between_dispatches(commands);
        }
    });
}

}  // namespace probe::vulkan
