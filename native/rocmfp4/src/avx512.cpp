// AVX-512 (F, BW): 16 weights, or 16 candidates for a scale, at once. Called only where the processor has it.
#include "kernels.hpp"

#if ROCMFP4_X86

#include <immintrin.h>

#include <limits>

#define TARGET_AVX512 __attribute__((target("avx512f,avx512bw")))

namespace rocmfp4::detail {
namespace {

/// Squared errors of one weight's magnitude under 16 candidates, times `importance`.
TARGET_AVX512 __m512 error_of(__m512 magnitude, __m512 scale, __m512 inverse, __m512 importance) {
    const __m512 a = _mm512_mul_ps(magnitude, inverse);
    __m512 nearest_value = _mm512_setzero_ps();
    const auto step = [&](float threshold, float height) TARGET_AVX512 {
        const __mmask16 above = _mm512_cmp_ps_mask(a, _mm512_set1_ps(threshold), _CMP_GT_OQ);
        nearest_value = _mm512_mask_add_ps(nearest_value, above, nearest_value, _mm512_set1_ps(height));
    };
    step(0.5F, 1.0F);
    step(1.5F, 1.0F);
    step(2.5F, 1.0F);
    step(3.5F, 1.0F);
    step(5.0F, 2.0F);
    step(7.0F, 2.0F);
    step(9.0F, 2.0F);
    const __m512 error = _mm512_sub_ps(magnitude, _mm512_mul_ps(nearest_value, scale));
    return _mm512_mul_ps(_mm512_mul_ps(importance, error), error);
}

}  // namespace

TARGET_AVX512 void dequantise_avx512(Layout layout, const std::uint8_t* data, std::size_t blocks, float* out) {
    const __m512 table = _mm512_loadu_ps(values.data());
    const std::size_t stride = block_bytes(layout);
    for (std::size_t block = 0; block < blocks; ++block) {
        const __m512 low = _mm512_set1_ps(scales[data[code_bytes]]);
        const __m512 high = _mm512_set1_ps(scales[data[stride - 1]]);
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data));
        const __m512i pairs = _mm512_cvtepu8_epi32(bytes);
        // The permutation looks at bits 0 to 3 only.
        _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_permutexvar_ps(pairs, table), low));
        const __m512i upper = _mm512_srli_epi32(pairs, 4);
        _mm512_storeu_ps(out + code_bytes, _mm512_mul_ps(_mm512_permutexvar_ps(upper, table), high));
        data += stride;
        out += block_weights;
    }
}

TARGET_AVX512 bool any_invalid_avx512(Layout layout, const std::uint8_t* data, std::size_t groups) {
    constexpr std::size_t width = sizeof(__m512i);
    const std::size_t vectors = group_blocks * block_bytes(layout) / width;
    const std::uint8_t* pattern = scale_pattern(layout);
    __m512i excess = _mm512_setzero_si512();
    for (std::size_t group = 0; group < groups; ++group) {
        for (std::size_t i = 0; i < vectors; ++i) {
            const __m512i bytes = _mm512_loadu_si512(data + i * width);
            const __m512i is_scale = _mm512_load_si512(pattern + i * width);
            const __m512i above = _mm512_subs_epu8(bytes, _mm512_set1_epi8(max_scale_byte));
            excess = _mm512_or_si512(excess, _mm512_and_si512(above, is_scale));
        }
        data += vectors * width;
    }
    return _mm512_test_epi32_mask(excess, excess) != 0;
}

TARGET_AVX512 std::uint8_t search_avx512(const float* group, const float* importance, std::size_t count) {
    __m512 least = _mm512_set1_ps(std::numeric_limits<float>::infinity());
    __m512i best = _mm512_setzero_si512();
    __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (std::size_t i = 0; i < padded_candidates; i += 16) {
        const __m512 scale = _mm512_load_ps(candidate.scale.data() + i);
        const __m512 inverse = _mm512_load_ps(candidate.inverse.data() + i);
        __m512 sum = _mm512_setzero_ps();
        for (std::size_t j = 0; j < count; ++j) {
            const __m512 magnitude = _mm512_abs_ps(_mm512_set1_ps(group[j]));
            const __m512 weight = _mm512_set1_ps(importance == nullptr ? 1.0F : importance[j]);
            sum = _mm512_add_ps(sum, error_of(magnitude, scale, inverse, weight));
        }
        const __mmask16 better = _mm512_cmp_ps_mask(sum, least, _CMP_LT_OQ);
        least = _mm512_mask_mov_ps(least, better, sum);
        best = _mm512_mask_mov_epi32(best, better, index);
        index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
    }
    alignas(64) std::array<float, 16> errors;
    alignas(64) std::array<std::int32_t, 16> indices;
    _mm512_store_ps(errors.data(), least);
    _mm512_store_si512(indices.data(), best);
    return best_of_lanes(errors.data(), indices.data(), errors.size());
}

}  // namespace rocmfp4::detail

#endif
