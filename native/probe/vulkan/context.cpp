#include "context.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace probe::vulkan {
namespace {

constexpr VkDeviceSize staging_bytes = VkDeviceSize{32} << 20U;
constexpr std::uint32_t api = VK_API_VERSION_1_2;
// Memory with other properties (protected, AMD's uncached types) needs features of its own, or is slow.
constexpr VkMemoryPropertyFlags plain_memory =
    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
    VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
constexpr VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

const char* type_name(VkPhysicalDeviceType type) {
    switch (type) {
        case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
            return "integrated";
        case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
            return "discrete";
        case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
            return "virtual";
        case VK_PHYSICAL_DEVICE_TYPE_CPU:
            return "cpu";
        default:
            return "other";
    }
}

/// What was written, by anybody, is seen by whatever comes after.
void barrier(VkCommandBuffer commands) {
    VkMemoryBarrier memory{};
    memory.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    memory.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT | VK_ACCESS_HOST_WRITE_BIT;
    memory.dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT | VK_ACCESS_HOST_READ_BIT;
    const VkPipelineStageFlags stages =
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_HOST_BIT;
    vkCmdPipelineBarrier(commands, stages, stages, 0, 1, &memory, 0, nullptr, 0, nullptr);
}

/// The first queue family that computes.
std::uint32_t compute_family(const std::vector<VkQueueFamilyProperties>& families) {
    for (std::uint32_t i = 0; i < families.size(); ++i) {
        if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) != 0) {
            return i;
        }
    }
    throw std::runtime_error("the device has no queue that computes");
}

std::vector<VkQueueFamilyProperties> queue_families(VkPhysicalDevice device) {
    std::uint32_t count = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
    return families;
}

}  // namespace

Owned<VkInstance> make_instance() {
    VkApplicationInfo application{};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.pApplicationName = "strix-probe";
    application.apiVersion = api;
    VkInstanceCreateInfo create{};
    create.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    create.pApplicationInfo = &application;
    VkInstance instance = VK_NULL_HANDLE;
    const VkResult result = vkCreateInstance(&create, nullptr, &instance);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
        throw std::runtime_error("no Vulkan driver is installed (or VK_DRIVER_FILES names none)");
    }
    check(result, "vkCreateInstance");
    return {instance, [](VkInstance handle) { vkDestroyInstance(handle, nullptr); }};
}

std::vector<VkPhysicalDevice> physical_devices(VkInstance instance) {
    std::uint32_t count = 0;
    check(vkEnumeratePhysicalDevices(instance, &count, nullptr), "vkEnumeratePhysicalDevices");
    std::vector<VkPhysicalDevice> found(count);
    check(vkEnumeratePhysicalDevices(instance, &count, found.data()), "vkEnumeratePhysicalDevices");
    const auto too_old = [](VkPhysicalDevice device) {
        VkPhysicalDeviceProperties properties{};
        vkGetPhysicalDeviceProperties(device, &properties);
        return properties.apiVersion < api;
    };
    found.erase(std::remove_if(found.begin(), found.end(), too_old), found.end());
    return found;
}

DeviceInfo describe(VkPhysicalDevice device, int index) {
    VkPhysicalDeviceSubgroupProperties subgroup{};
    subgroup.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES;
    VkPhysicalDeviceDriverProperties driver{};
    driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
    driver.pNext = &subgroup;
    VkPhysicalDeviceProperties2 properties{};
    properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    properties.pNext = &driver;
    vkGetPhysicalDeviceProperties2(device, &properties);
    const std::vector<VkQueueFamilyProperties> families = queue_families(device);
    const bool stamps = families[compute_family(families)].timestampValidBits > 0;

    DeviceInfo info;
    info.backend = "vulkan";
    info.index = index;
    info.name = properties.properties.deviceName;
    info.type = type_name(properties.properties.deviceType);
    info.vendor_id = properties.properties.vendorID;
    info.device_id = properties.properties.deviceID;
    info.driver = driver.driverName;
    info.driver_version = driver.driverInfo;
    info.software = properties.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU ||
                    driver.driverID == VK_DRIVER_ID_MESA_LLVMPIPE || driver.driverID == VK_DRIVER_ID_GOOGLE_SWIFTSHADER;
    info.lanes = subgroup.subgroupSize;
    info.clock = stamps ? "the device's timestamps" : "wall clock";
    return info;
}

Context::Context(int index) : instance_(make_instance()) {
    const std::vector<VkPhysicalDevice> devices = physical_devices(instance_.get());
    if (index < 0 || static_cast<std::size_t>(index) >= devices.size()) {
        throw std::runtime_error("there is no Vulkan device " + std::to_string(index));
    }
    physical_ = devices[static_cast<std::size_t>(index)];
    info_ = describe(physical_, index);
    VkPhysicalDeviceSubgroupProperties subgroup{};
    subgroup.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES;
    VkPhysicalDeviceProperties2 properties{};
    properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    properties.pNext = &subgroup;
    vkGetPhysicalDeviceProperties2(physical_, &properties);
    limits_ = properties.properties.limits;
    if ((subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) == 0 ||
        (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT) == 0) {
        throw std::runtime_error(info_.name + " cannot add up a subgroup, which these kernels need");
    }
    const std::vector<VkQueueFamilyProperties> families = queue_families(physical_);
    family_ = compute_family(families);
    const std::uint32_t bits = families[family_].timestampValidBits;
    timestamp_mask_ = bits == 0 ? 0 : ~std::uint64_t{0} >> (64U - bits);

    const float priority = 1.0F;
    VkDeviceQueueCreateInfo queue{};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueFamilyIndex = family_;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo create{};
    create.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    create.queueCreateInfoCount = 1;
    create.pQueueCreateInfos = &queue;
    VkDevice device = VK_NULL_HANDLE;
    check(vkCreateDevice(physical_, &create, nullptr, &device), "vkCreateDevice");
    device_ = {device, [](VkDevice handle) { vkDestroyDevice(handle, nullptr); }};
    vkGetDeviceQueue(device, family_, 0, &queue_);

    VkCommandPoolCreateInfo pool_create{};
    pool_create.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool_create.queueFamilyIndex = family_;
    VkCommandPool pool = VK_NULL_HANDLE;
    check(vkCreateCommandPool(device, &pool_create, nullptr, &pool), "vkCreateCommandPool");
    pool_ = {pool, [device](VkCommandPool handle) { vkDestroyCommandPool(device, handle, nullptr); }};
    VkFenceCreateInfo fence_create{};
    fence_create.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    VkFence fence = VK_NULL_HANDLE;
    check(vkCreateFence(device, &fence_create, nullptr, &fence), "vkCreateFence");
    fence_ = {fence, [device](VkFence handle) { vkDestroyFence(device, handle, nullptr); }};
    if (timestamp_mask_ != 0) {
        VkQueryPoolCreateInfo query_create{};
        query_create.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO;
        query_create.queryType = VK_QUERY_TYPE_TIMESTAMP;
        query_create.queryCount = 2;
        VkQueryPool queries = VK_NULL_HANDLE;
        check(vkCreateQueryPool(device, &query_create, nullptr, &queries), "vkCreateQueryPool");
        queries_ = {queries, [device](VkQueryPool handle) { vkDestroyQueryPool(device, handle, nullptr); }};
    }
}

Buffer Context::allocate(VkDeviceSize bytes, bool device_local, bool mapped) {
    const VkDevice device = device_.get();
    VkBufferCreateInfo create{};
    create.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    create.size = bytes;
    create.usage =
        VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    VkBuffer buffer = VK_NULL_HANDLE;
    check(vkCreateBuffer(device, &create, nullptr, &buffer), "vkCreateBuffer");
    Buffer made;
    made.bytes = bytes;
    made.buffer = {buffer, [device](VkBuffer handle) { vkDestroyBuffer(device, handle, nullptr); }};

    VkMemoryRequirements needs{};
    vkGetBufferMemoryRequirements(device, buffer, &needs);
    VkPhysicalDeviceMemoryProperties memory{};
    vkGetPhysicalDeviceMemoryProperties(physical_, &memory);
    const bool shared = info_.type == "integrated" || info_.software;
    // The driver lists types from the fastest on (Vulkan specification, vkGetPhysicalDeviceMemoryProperties). A full
    // heap is no failure while another type will do: an integrated GPU's heaps are all the same memory.
    for (const bool strict : {true, false}) {
        for (std::uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
            const VkMemoryPropertyFlags flags = memory.memoryTypes[i].propertyFlags;
            const bool local = (flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != 0;
            const bool seen = (flags & visible) == visible;
            const bool allowed = (needs.memoryTypeBits & (1U << i)) != 0 && (flags & ~plain_memory) == 0;
            const bool wanted = strict ? local == device_local && (seen || !(mapped || (shared && device_local)))
                                       : (!device_local || local || shared) && (seen || !mapped);
            if (!allowed || !wanted) {
                continue;
            }
            VkMemoryAllocateInfo allocation{};
            allocation.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
            allocation.allocationSize = needs.size;
            allocation.memoryTypeIndex = i;
            VkDeviceMemory found = VK_NULL_HANDLE;
            if (vkAllocateMemory(device, &allocation, nullptr, &found) != VK_SUCCESS) {
                continue;
            }
            made.memory = {found, [device](VkDeviceMemory handle) { vkFreeMemory(device, handle, nullptr); }};
            check(vkBindBufferMemory(device, buffer, found, 0), "vkBindBufferMemory");
            if (seen && (mapped || shared)) {
                check(vkMapMemory(device, found, 0, VK_WHOLE_SIZE, 0, &made.map), "vkMapMemory");
            }
            return made;
        }
    }
    throw std::runtime_error(info_.name + " has no memory for a buffer of " + std::to_string(bytes >> 20U) +
                             " MiB: a smaller --mib, or stop what else uses the GPU");
}

Buffer Context::storage(VkDeviceSize bytes) { return allocate(bytes, true, false); }

Buffer& Context::staging() {
    if (!staging_) {
        staging_ = std::make_unique<Buffer>(allocate(staging_bytes, false, true));
    }
    return *staging_;
}

void Context::write(const Buffer& buffer, VkDeviceSize offset, const void* data, VkDeviceSize bytes) {
    const auto* from = static_cast<const char*>(data);
    if (buffer.map != nullptr) {
        std::memcpy(static_cast<char*>(buffer.map) + offset, from, bytes);
        return;
    }
    Buffer& between = staging();
    for (VkDeviceSize done = 0; done < bytes;) {
        const VkDeviceSize part = std::min(staging_bytes, bytes - done);
        std::memcpy(between.map, from + done, part);
        run([&](VkCommandBuffer commands) {
            const VkBufferCopy region{0, offset + done, part};
            vkCmdCopyBuffer(commands, between.buffer.get(), buffer.buffer.get(), 1, &region);
        });
        done += part;
    }
}

void Context::read(const Buffer& buffer, VkDeviceSize offset, void* data, VkDeviceSize bytes) {
    auto* to = static_cast<char*>(data);
    if (buffer.map != nullptr) {
        std::memcpy(to, static_cast<const char*>(buffer.map) + offset, bytes);
        return;
    }
    Buffer& between = staging();
    for (VkDeviceSize done = 0; done < bytes;) {
        const VkDeviceSize part = std::min(staging_bytes, bytes - done);
        run([&](VkCommandBuffer commands) {
            const VkBufferCopy region{offset + done, 0, part};
            vkCmdCopyBuffer(commands, buffer.buffer.get(), between.buffer.get(), 1, &region);
        });
        std::memcpy(to + done, between.map, part);
        done += part;
    }
}

double Context::run(const std::function<void(VkCommandBuffer)>& record) {
    const VkDevice device = device_.get();
    check(vkResetCommandPool(device, pool_.get(), 0), "vkResetCommandPool");
    VkCommandBufferAllocateInfo allocation{};
    allocation.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    allocation.commandPool = pool_.get();
    allocation.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocation.commandBufferCount = 1;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    check(vkAllocateCommandBuffers(device, &allocation, &commands), "vkAllocateCommandBuffers");
    const Owned<VkCommandBuffer> kept{
        commands, [this, device](VkCommandBuffer handle) { vkFreeCommandBuffers(device, pool_.get(), 1, &handle); }};
    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    check(vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
    if (timestamp_mask_ != 0) {
        vkCmdResetQueryPool(commands, queries_.get(), 0, 2);
        vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, queries_.get(), 0);
    }
    barrier(commands);
    record(commands);
    barrier(commands);
    if (timestamp_mask_ != 0) {
        vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, queries_.get(), 1);
    }
    check(vkEndCommandBuffer(commands), "vkEndCommandBuffer");

    VkSubmitInfo submit{};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands;
    const VkFence fence = fence_.get();
    check(vkResetFences(device, 1, &fence), "vkResetFences");
    const auto start = std::chrono::steady_clock::now();
    check(vkQueueSubmit(queue_, 1, &submit, fence), "vkQueueSubmit");
    check(vkWaitForFences(device, 1, &fence, VK_TRUE, ~std::uint64_t{0}), "vkWaitForFences");
    if (timestamp_mask_ == 0) {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    std::uint64_t stamps[2] = {};
    check(vkGetQueryPoolResults(device, queries_.get(), 0, 2, sizeof stamps, stamps, sizeof stamps[0],
                                VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
          "vkGetQueryPoolResults");
    const std::uint64_t ticks = (stamps[1] - stamps[0]) & timestamp_mask_;
    return static_cast<double>(ticks) * static_cast<double>(limits_.timestampPeriod) * 1e-9;
}

void between_dispatches(VkCommandBuffer commands) {
    VkMemoryBarrier memory{};
    memory.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    memory.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
    memory.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
                         &memory, 0, nullptr, 0, nullptr);
}

}  // namespace probe::vulkan
