#include "kernels.hpp"

namespace rocmfp4 {
namespace {

std::optional<std::size_t> first_invalid_scalar(Layout layout, const std::uint8_t* data, std::size_t blocks) {
    for (std::size_t block = 0; block < blocks; ++block) {
        const std::uint8_t* scale = data + block * block_bytes(layout) + code_bytes;
        if (scale[0] > max_scale_byte || scale[scale_bytes(layout) - 1] > max_scale_byte) {
            return block;
        }
    }
    return std::nullopt;
}

}  // namespace

namespace detail {

bool any_invalid_scalar(Layout layout, const std::uint8_t* data, std::size_t groups) {
    return first_invalid_scalar(layout, data, groups * group_blocks).has_value();
}

}  // namespace detail

std::optional<std::size_t> first_invalid(Layout layout, const std::uint8_t* data, std::size_t blocks, Kernel kernel) {
    // So many groups at a time that the pattern's set-up does not count, and that a second look is short.
    constexpr std::size_t most_groups = 16;
    const detail::AnyInvalid any_invalid = detail::any_invalid_of(kernel);
    for (std::size_t start = 0; start < blocks;) {
        const std::size_t groups = (blocks - start) / detail::group_blocks;
        const std::size_t here = groups < most_groups ? groups : most_groups;
        const std::uint8_t* from = data + start * block_bytes(layout);
        const std::size_t looked_at = here == 0 ? blocks - start : here * detail::group_blocks;
        if (here == 0 || any_invalid(layout, from, here)) {
            if (const auto found = first_invalid_scalar(layout, from, looked_at)) {
                return start + *found;
            }
        }
        start += looked_at;
    }
    return std::nullopt;
}

}  // namespace rocmfp4
