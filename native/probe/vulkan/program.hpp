// A compute shader with its pipeline, and the buffers that one of its dispatches works on.
#pragma once

#include <cstdint>
#include <vector>

#include "context.hpp"

namespace probe::vulkan {

/// A shader as glslc made it, embedded by the build.
struct Code {
    const std::uint32_t* words;
    std::size_t count;
};

/// A part of a buffer that is bound to a shader.
struct Part {
    const Buffer* buffer;
    VkDeviceSize offset;
    VkDeviceSize bytes;
};

/// One run of a program: what it is bound to, its push constants and its groups.
struct Dispatch {
    VkDescriptorSet set;
    std::uint32_t constants[2];
    std::uint32_t groups;
};

/// A pipeline for shaders with `bindings` storage buffers and two push constants.
class Program {
  public:
    /// specialisation: constants 0, 1, 2... of the shader. most_sets: how often bind() may be called.
    Program(Context& context, const Code& code, std::uint32_t bindings, std::vector<std::uint32_t> specialisation,
            std::uint32_t most_sets);
    /// A descriptor set for these parts, one for each binding.
    VkDescriptorSet bind(const std::vector<Part>& parts);
    /// Record one run.
    void record(VkCommandBuffer commands, const Dispatch& dispatch) const;

  private:
    VkDevice device_;
    Owned<VkDescriptorSetLayout> set_layout_;
    Owned<VkPipelineLayout> layout_;
    Owned<VkPipeline> pipeline_;
    Owned<VkDescriptorPool> sets_;
};

}  // namespace probe::vulkan
