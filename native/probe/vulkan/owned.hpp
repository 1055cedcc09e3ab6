// A Vulkan handle that is destroyed with its owner, and results that are checked.
#pragma once

#include <vulkan/vulkan.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace probe::vulkan {

/// One handle and how to destroy it.
template <typename Handle>
class Owned {
  public:
    Owned() = default;
    Owned(Handle handle, std::function<void(Handle)> destroy) : handle_(handle), destroy_(std::move(destroy)) {}
    Owned(Owned&& other) noexcept { swap(other); }
    Owned& operator=(Owned&& other) noexcept {
        swap(other);
        return *this;
    }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned() {
        if (destroy_) {
            destroy_(handle_);
        }
    }
    Handle get() const { return handle_; }

  private:
    void swap(Owned& other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(destroy_, other.destroy_);
    }
    Handle handle_{};
    std::function<void(Handle)> destroy_;
};

/// Throw std::runtime_error unless the call succeeded.
inline void check(VkResult result, const char* call) {
    if (result == VK_ERROR_DEVICE_LOST) {
        throw std::runtime_error(std::string(call) + ": the device was lost; see dmesg");
    }
    if (result != VK_SUCCESS) {
        throw std::runtime_error(std::string(call) + " failed (VkResult " + std::to_string(result) + ")");
    }
}

}  // namespace probe::vulkan
