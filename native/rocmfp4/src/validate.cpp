#include "rocmfp4/codec.hpp"

namespace rocmfp4 {

std::optional<std::size_t> first_invalid(Layout layout, const std::uint8_t* data, std::size_t blocks) {
    for (std::size_t block = 0; block < blocks; ++block) {
        const std::uint8_t* scale = data + block * block_bytes(layout) + code_bytes;
        if (scale[0] > max_scale_byte || scale[scale_bytes(layout) - 1] > max_scale_byte) {
            return block;
        }
    }
    return std::nullopt;
}

}  // namespace rocmfp4
