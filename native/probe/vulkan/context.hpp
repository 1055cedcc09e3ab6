// One opened Vulkan device: its memory, its buffers, its queue.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "../device.hpp"
#include "owned.hpp"

namespace probe::vulkan {

/// A loader's instance of Vulkan 1.2. Throws std::runtime_error if there is no loader or no driver.
Owned<VkInstance> make_instance();

/// The devices of an instance that know Vulkan 1.2, in the loader's order.
std::vector<VkPhysicalDevice> physical_devices(VkInstance instance);

/// What the driver says of a device.
DeviceInfo describe(VkPhysicalDevice device, int index);

/// Memory that shaders see. map: where the processor sees it; nullptr if it does not.
struct Buffer {
    Owned<VkDeviceMemory> memory;
    Owned<VkBuffer> buffer;
    VkDeviceSize bytes = 0;
    void* map = nullptr;
};

/// The device of all buffers and pipelines; it outlives them.
class Context {
  public:
    explicit Context(int index);
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    VkDevice device() const { return device_.get(); }
    const DeviceInfo& info() const { return info_; }
    const VkPhysicalDeviceLimits& limits() const { return limits_; }

    /// A buffer in the device's own memory; the processor sees it too where both share one (integrated, software).
    Buffer storage(VkDeviceSize bytes);
    /// Write into a buffer: straight where it is mapped, else through memory that both see, piece by piece.
    void write(const Buffer& buffer, VkDeviceSize offset, const void* data, VkDeviceSize bytes);
    /// Read from a buffer.
    void read(const Buffer& buffer, VkDeviceSize offset, void* data, VkDeviceSize bytes);
    /// Record commands, run them and wait. Returns the seconds that they took: by the device's timestamps where it has
    /// them, else by the wall clock.
    double run(const std::function<void(VkCommandBuffer)>& record);

  private:
    Buffer allocate(VkDeviceSize bytes, bool device_local, bool mapped);
    Buffer& staging();

    Owned<VkInstance> instance_;
    VkPhysicalDevice physical_ = VK_NULL_HANDLE;
    VkPhysicalDeviceLimits limits_{};
    DeviceInfo info_;
    std::uint32_t family_ = 0;
    std::uint64_t timestamp_mask_ = 0;  // 0: the queue has no timestamps
    Owned<VkDevice> device_;
    VkQueue queue_ = VK_NULL_HANDLE;
    Owned<VkCommandPool> pool_;
    Owned<VkQueryPool> queries_;
    Owned<VkFence> fence_;
    std::unique_ptr<Buffer> staging_;
};

/// What one shader wrote is seen by the next; the next waits for it.
void between_dispatches(VkCommandBuffer commands);

}  // namespace probe::vulkan
