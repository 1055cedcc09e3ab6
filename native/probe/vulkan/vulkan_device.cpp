// Vulkan 1.2 as a backend.
#include "matvec.hpp"
#include "stream.hpp"

namespace probe {
namespace vulkan {
namespace {

class VulkanDevice : public Device {
  public:
    explicit VulkanDevice(int index) : context_(index) {}
    const DeviceInfo& info() const override { return context_.info(); }
    std::unique_ptr<Stream> stream(std::uint64_t bytes) override {
        return std::make_unique<VulkanStream>(context_, bytes);
    }
    std::unique_ptr<Matvec> matvec(const MatvecJob& job) override {
        return std::make_unique<VulkanMatvec>(context_, job);
    }

  private:
    Context context_;
};

std::vector<DeviceInfo> list() {
    const Owned<VkInstance> instance = make_instance();
    std::vector<DeviceInfo> found;
    for (const VkPhysicalDevice device : physical_devices(instance.get())) {
        found.push_back(describe(device, static_cast<int>(found.size())));
    }
    return found;
}

std::unique_ptr<Device> open(int index) { return std::make_unique<VulkanDevice>(index); }

}  // namespace
}  // namespace vulkan

Backend vulkan_backend() { return {"vulkan", vulkan::list, vulkan::open}; }

}  // namespace probe
