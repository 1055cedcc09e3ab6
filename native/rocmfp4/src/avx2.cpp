// AVX2: 8 weights, or 8 candidates for a scale, at once. Compiled in always, called only where the processor has it.
#include "kernels.hpp"

#if ROCMFP4_X86

#include <immintrin.h>

#include <limits>

#define TARGET_AVX2 __attribute__((target("avx2")))

namespace rocmfp4::detail {
namespace {

/// 8 weights from the codes in the low 4 bits of each lane; higher bits are ignored.
TARGET_AVX2 __m256 weights_of(__m256i codes, __m256 scale) {
    // The permutations look at bits 0 to 2 only; bit 3, shifted to the top, chooses between them.
    const __m256 positive = _mm256_permutevar8x32_ps(_mm256_loadu_ps(values.data()), codes);
    const __m256 negative = _mm256_permutevar8x32_ps(_mm256_loadu_ps(values.data() + 8), codes);
    const __m256 bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));
    return _mm256_mul_ps(_mm256_blendv_ps(positive, negative, bit3), scale);
}

/// Squared errors of one weight's magnitude under 8 candidates, times `importance`.
TARGET_AVX2 __m256 error_of(__m256 magnitude, __m256 scale, __m256 inverse, __m256 importance) {
    const __m256 a = _mm256_mul_ps(magnitude, inverse);
    const __m256 one = _mm256_set1_ps(1.0F);
    const __m256 two = _mm256_set1_ps(2.0F);
    const auto step = [&](float threshold, __m256 height) TARGET_AVX2 {
        return _mm256_and_ps(_mm256_cmp_ps(a, _mm256_set1_ps(threshold), _CMP_GT_OQ), height);
    };
    // Small integers: their sum is exact in any order.
    const __m256 first =
        _mm256_add_ps(_mm256_add_ps(step(0.5F, one), step(1.5F, one)), _mm256_add_ps(step(2.5F, one), step(3.5F, one)));
    const __m256 second = _mm256_add_ps(_mm256_add_ps(step(5.0F, two), step(7.0F, two)), step(9.0F, two));
    const __m256 nearest_value = _mm256_add_ps(first, second);
    const __m256 error = _mm256_sub_ps(magnitude, _mm256_mul_ps(nearest_value, scale));
    return _mm256_mul_ps(_mm256_mul_ps(importance, error), error);
}

}  // namespace

TARGET_AVX2 void dequantise_avx2(Layout layout, const std::uint8_t* data, std::size_t blocks, float* out) {
    const std::size_t stride = block_bytes(layout);
    for (std::size_t block = 0; block < blocks; ++block) {
        const __m256 low = _mm256_set1_ps(scales[data[code_bytes]]);
        const __m256 high = _mm256_set1_ps(scales[data[stride - 1]]);
        for (std::size_t j = 0; j < code_bytes; j += 8) {
            const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(data + j));
            const __m256i pairs = _mm256_cvtepu8_epi32(bytes);
            _mm256_storeu_ps(out + j, weights_of(pairs, low));
            _mm256_storeu_ps(out + j + code_bytes, weights_of(_mm256_srli_epi32(pairs, 4), high));
        }
        data += stride;
        out += block_weights;
    }
}

TARGET_AVX2 bool any_invalid_avx2(Layout layout, const std::uint8_t* data, std::size_t groups) {
    constexpr std::size_t width = sizeof(__m256i);
    const std::size_t vectors = group_blocks * block_bytes(layout) / width;
    const std::uint8_t* pattern = scale_pattern(layout);
    __m256i excess = _mm256_setzero_si256();
    for (std::size_t group = 0; group < groups; ++group) {
        for (std::size_t i = 0; i < vectors; ++i) {
            const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + i * width));
            const __m256i is_scale = _mm256_load_si256(reinterpret_cast<const __m256i*>(pattern + i * width));
            const __m256i above = _mm256_subs_epu8(bytes, _mm256_set1_epi8(max_scale_byte));
            excess = _mm256_or_si256(excess, _mm256_and_si256(above, is_scale));
        }
        data += vectors * width;
    }
    return _mm256_testz_si256(excess, excess) == 0;
}

TARGET_AVX2 std::uint8_t search_avx2(const float* group, const float* importance, std::size_t count) {
    const __m256 no_sign = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 least = _mm256_set1_ps(std::numeric_limits<float>::infinity());
    __m256i best = _mm256_setzero_si256();
    __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (std::size_t i = 0; i < padded_candidates; i += 8) {
        const __m256 scale = _mm256_load_ps(candidate.scale.data() + i);
        const __m256 inverse = _mm256_load_ps(candidate.inverse.data() + i);
        __m256 sum = _mm256_setzero_ps();
        for (std::size_t j = 0; j < count; ++j) {
            const __m256 magnitude = _mm256_and_ps(_mm256_set1_ps(group[j]), no_sign);
            const __m256 weight = _mm256_set1_ps(importance == nullptr ? 1.0F : importance[j]);
            sum = _mm256_add_ps(sum, error_of(magnitude, scale, inverse, weight));
        }
        const __m256 better = _mm256_cmp_ps(sum, least, _CMP_LT_OQ);
        least = _mm256_blendv_ps(least, sum, better);
        best = _mm256_blendv_epi8(best, index, _mm256_castps_si256(better));
        index = _mm256_add_epi32(index, _mm256_set1_epi32(8));
    }
    alignas(32) std::array<float, 8> errors;
    alignas(32) std::array<std::int32_t, 8> indices;
    _mm256_store_ps(errors.data(), least);
    _mm256_store_si256(reinterpret_cast<__m256i*>(indices.data()), best);
    return best_of_lanes(errors.data(), indices.data(), errors.size());
}

}  // namespace rocmfp4::detail

#endif
