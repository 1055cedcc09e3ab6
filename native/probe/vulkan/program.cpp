#include "program.hpp"

namespace probe::vulkan {

Program::Program(Context& context, const Code& code, std::uint32_t bindings, std::vector<std::uint32_t> specialisation,
                 std::uint32_t most_sets)
    : device_(context.device()) {
    const VkDevice device = device_;
    std::vector<VkDescriptorSetLayoutBinding> slots(bindings);
    for (std::uint32_t i = 0; i < bindings; ++i) {
        slots[i].binding = i;
        slots[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        slots[i].descriptorCount = 1;
        slots[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
    }
    VkDescriptorSetLayoutCreateInfo set_create{};
    set_create.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
    set_create.bindingCount = bindings;
    set_create.pBindings = slots.data();
    VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
    check(vkCreateDescriptorSetLayout(device, &set_create, nullptr, &set_layout), "vkCreateDescriptorSetLayout");
    set_layout_ = {set_layout,
                   [device](VkDescriptorSetLayout handle) { vkDestroyDescriptorSetLayout(device, handle, nullptr); }};

    const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof Dispatch::constants};
    VkPipelineLayoutCreateInfo layout_create{};
    layout_create.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
    layout_create.setLayoutCount = 1;
    layout_create.pSetLayouts = &set_layout;
    layout_create.pushConstantRangeCount = 1;
    layout_create.pPushConstantRanges = &range;
    VkPipelineLayout layout = VK_NULL_HANDLE;
    check(vkCreatePipelineLayout(device, &layout_create, nullptr, &layout), "vkCreatePipelineLayout");
    layout_ = {layout, [device](VkPipelineLayout handle) { vkDestroyPipelineLayout(device, handle, nullptr); }};

    VkShaderModuleCreateInfo module_create{};
    module_create.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
    module_create.codeSize = code.count * sizeof(std::uint32_t);
    module_create.pCode = code.words;
    VkShaderModule module = VK_NULL_HANDLE;
    check(vkCreateShaderModule(device, &module_create, nullptr, &module), "vkCreateShaderModule");
    const Owned<VkShaderModule> kept{
        module, [device](VkShaderModule handle) { vkDestroyShaderModule(device, handle, nullptr); }};
    std::vector<VkSpecializationMapEntry> entries;
    for (std::uint32_t i = 0; i < specialisation.size(); ++i) {
        entries.push_back({i, i * 4, 4});
    }
    VkSpecializationInfo specialise{};
    specialise.mapEntryCount = static_cast<std::uint32_t>(entries.size());
    specialise.pMapEntries = entries.data();
    specialise.dataSize = specialisation.size() * sizeof(std::uint32_t);
    specialise.pData = specialisation.data();
    VkComputePipelineCreateInfo create{};
    create.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
    create.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    create.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    create.stage.module = module;
    create.stage.pName = "main";
    create.stage.pSpecializationInfo = &specialise;
    create.layout = layout;
    VkPipeline pipeline = VK_NULL_HANDLE;
    check(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &create, nullptr, &pipeline), "vkCreateComputePipelines");
    pipeline_ = {pipeline, [device](VkPipeline handle) { vkDestroyPipeline(device, handle, nullptr); }};

    const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, bindings * most_sets};
    VkDescriptorPoolCreateInfo pool_create{};
    pool_create.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
    pool_create.maxSets = most_sets;
    pool_create.poolSizeCount = 1;
    pool_create.pPoolSizes = &size;
    VkDescriptorPool pool = VK_NULL_HANDLE;
    check(vkCreateDescriptorPool(device, &pool_create, nullptr, &pool), "vkCreateDescriptorPool");
    sets_ = {pool, [device](VkDescriptorPool handle) { vkDestroyDescriptorPool(device, handle, nullptr); }};
}

VkDescriptorSet Program::bind(const std::vector<Part>& parts) {
    const VkDescriptorSetLayout layout = set_layout_.get();
    VkDescriptorSetAllocateInfo allocation{};
    allocation.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
    allocation.descriptorPool = sets_.get();
    allocation.descriptorSetCount = 1;
    allocation.pSetLayouts = &layout;
    VkDescriptorSet set = VK_NULL_HANDLE;
    check(vkAllocateDescriptorSets(device_, &allocation, &set), "vkAllocateDescriptorSets");
    std::vector<VkDescriptorBufferInfo> buffers;
    for (const Part& part : parts) {
        buffers.push_back({part.buffer->buffer.get(), part.offset, part.bytes});
    }
    VkWriteDescriptorSet write{};
    write.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
    write.dstSet = set;
    write.descriptorCount = static_cast<std::uint32_t>(buffers.size());
    write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    write.pBufferInfo = buffers.data();
    vkUpdateDescriptorSets(device_, 1, &write, 0, nullptr);
    return set;
}

void Program::record(VkCommandBuffer commands, const Dispatch& dispatch) const {
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_.get());
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout_.get(), 0, 1, &dispatch.set, 0, nullptr);
    vkCmdPushConstants(commands, layout_.get(), VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof dispatch.constants,
                       dispatch.constants);
    vkCmdDispatch(commands, dispatch.groups, 1, 1);
}

}  // namespace probe::vulkan
