#include <cmath>
#include <limits>

#include "kernels.hpp"

namespace rocmfp4::detail {

std::uint8_t search_scalar(const float* group, const float* importance, std::size_t count) {
    float least = std::numeric_limits<float>::infinity();
    std::size_t best = 0;
    for (std::size_t i = 0; i < candidates; ++i) {
        float sum = 0.0F;
        // Errors only add up: once beyond the least, a candidate has lost.
        for (std::size_t j = 0; j < count && sum <= least; ++j) {
            const float magnitude = std::fabs(group[j]);
            const float error = magnitude - values[nearest(magnitude * candidate.inverse[i])] * candidate.scale[i];
            sum += importance == nullptr ? error * error : importance[j] * error * error;
        }
        if (sum < least) {
            least = sum;
            best = i;
        }
    }
    return static_cast<std::uint8_t>(best + 1);
}

}  // namespace rocmfp4::detail
