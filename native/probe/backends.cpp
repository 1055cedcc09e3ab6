// The backends of this build.
#include "device.hpp"

namespace probe {

const std::vector<Backend>& backends() {
    static const std::vector<Backend> all = {
#ifdef PROBE_VULKAN
        vulkan_backend(),
#endif
#ifdef PROBE_HIP
        hip_backend(),
#endif
        cpu_backend(),
    };
    return all;
}

}  // namespace probe
