#include "kernels.hpp"

namespace rocmfp4::detail {

void dequantise_scalar(Layout layout, const std::uint8_t* data, std::size_t blocks, float* out) {
    for (std::size_t block = 0; block < blocks; ++block) {
        const float low = scales[data[code_bytes]];
        const float high = scales[data[block_bytes(layout) - 1]];
        for (std::size_t j = 0; j < code_bytes; ++j) {
            out[j] = values[data[j] & 15] * low;
            out[j + code_bytes] = values[data[j] >> 4] * high;
        }
        data += block_bytes(layout);
        out += block_weights;
    }
}

}  // namespace rocmfp4::detail
