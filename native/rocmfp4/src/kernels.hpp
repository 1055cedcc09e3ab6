// The implementations behind codec.hpp, and what they share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "rocmfp4/codec.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define ROCMFP4_X86 1
#else
#define ROCMFP4_X86 0
#endif

namespace rocmfp4::detail {

/// The greatest scale byte of the search; byte 0 means zeros only.
constexpr int candidates = max_scale_byte;
/// Rounded up to full vectors of 16; the rest repeats the last candidate and so never wins.
constexpr std::size_t padded_candidates = 128;

/// Scales of all 256 bytes.
constexpr std::array<float, 256> make_scales() {
    std::array<float, 256> scales{};
    for (std::size_t i = 0; i < scales.size(); ++i) {
        scales[i] = scale(static_cast<std::uint8_t>(i));
    }
    return scales;
}
inline constexpr std::array<float, 256> scales = make_scales();

/// Values of all 16 codes.
constexpr std::array<float, 16> make_values() {
    std::array<float, 16> values{};
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = value(static_cast<std::uint8_t>(i));
    }
    return values;
}
inline constexpr std::array<float, 16> values = make_values();

/// Scales and their reciprocals of the scale bytes 1 to 126, index = byte - 1.
struct Candidates {
    alignas(64) std::array<float, padded_candidates> scale;
    alignas(64) std::array<float, padded_candidates> inverse;
};
constexpr Candidates make_candidates() {
    Candidates all{};
    for (std::size_t i = 0; i < padded_candidates; ++i) {
        const std::size_t byte = i < candidates ? i + 1 : candidates;
        all.scale[i] = scales[byte];
        all.inverse[i] = 1.0F / scales[byte];
    }
    return all;
}
inline constexpr Candidates candidate = make_candidates();

/// Bits 0 to 2 of the code for a magnitude in units of the scale; a value between two goes to the nearer one, the
/// middle to the lower.
inline std::uint8_t nearest(float a) {
    return static_cast<std::uint8_t>((a > 0.5F) + (a > 1.5F) + (a > 2.5F) + (a > 3.5F) + (a > 5.0F) + (a > 7.0F) +
                                     (a > 9.0F));
}

/// 0xff where a group of 64 blocks has scale bytes, 0 where it has codes.
template <std::size_t stride>
struct ScalePattern {
    alignas(64) std::array<std::uint8_t, 64 * stride> bytes{};
    constexpr ScalePattern() {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = i % stride < code_bytes ? 0 : 0xff;
        }
    }
};
inline constexpr ScalePattern<block_bytes(Layout::dual)> dual_pattern;
inline constexpr ScalePattern<block_bytes(Layout::fast)> fast_pattern;

/// The pattern of a layout, aligned to 64 bytes.
inline const std::uint8_t* scale_pattern(Layout layout) {
    return layout == Layout::dual ? dual_pattern.bytes.data() : fast_pattern.bytes.data();
}

/// The scale byte of the least error among the lanes of a vector, the smaller byte of equals; indices count from 0.
inline std::uint8_t best_of_lanes(const float* errors, const std::int32_t* indices, std::size_t lanes) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < lanes; ++i) {
        if (errors[i] < errors[best] || (errors[i] == errors[best] && indices[i] < indices[best])) {
            best = i;
        }
    }
    return static_cast<std::uint8_t>(indices[best] + 1);
}

using Dequantise = void (*)(Layout, const std::uint8_t*, std::size_t, float*);
/// Whether one of `groups` groups of `group_blocks` blocks has an invalid scale byte.
using AnyInvalid = bool (*)(Layout, const std::uint8_t*, std::size_t groups);
/// Blocks of a group: 64 blocks of any size are whole vectors of 64 bytes, the same pattern of scale bytes in each
/// group.
constexpr std::size_t group_blocks = 64;
/// The scale byte from 1 to 126 with the least error of `count` finite weights; `importance` may be nullptr.
using Search = std::uint8_t (*)(const float* group, const float* importance, std::size_t count);

void dequantise_scalar(Layout layout, const std::uint8_t* data, std::size_t blocks, float* out);
bool any_invalid_scalar(Layout layout, const std::uint8_t* data, std::size_t groups);
std::uint8_t search_scalar(const float* group, const float* importance, std::size_t count);

#if ROCMFP4_X86
void dequantise_avx2(Layout layout, const std::uint8_t* data, std::size_t blocks, float* out);
bool any_invalid_avx2(Layout layout, const std::uint8_t* data, std::size_t groups);
std::uint8_t search_avx2(const float* group, const float* importance, std::size_t count);
void dequantise_avx512(Layout layout, const std::uint8_t* data, std::size_t blocks, float* out);
bool any_invalid_avx512(Layout layout, const std::uint8_t* data, std::size_t groups);
std::uint8_t search_avx512(const float* group, const float* importance, std::size_t count);
#endif

/// The functions of a kernel; those of the scalar one if the kernel is not available.
Dequantise dequantise_of(Kernel kernel);
AnyInvalid any_invalid_of(Kernel kernel);
Search search_of(Kernel kernel);

}  // namespace rocmfp4::detail
