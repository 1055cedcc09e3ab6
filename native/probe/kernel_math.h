// The ROCmFP4 matrix-vector product as one lane of a GPU computes it. Compiles as HIP, CUDA and plain C++, so that the
// arithmetic of the HIP kernel can be run on a processor; shaders/matvec.comp is the same in GLSL.
//
// A row of W weights is W/32 blocks of B = 17 or 18 bytes. It is cut into slots of eight weights: slot 4b+k is the four
// code bytes 4k..4k+3 of block b, which hold weights 4k..4k+3 (low nibbles) and 16+4k..16+4k+3 (high nibbles). Lane l
// of L takes the slots l, l+L, l+2L..., so neighbouring lanes read neighbouring bytes. Blocks are not aligned: a slot's
// bytes are shifted out of the two 32-bit words that they lie in, which the device reads aligned.
#pragma once

#include <stdint.h>

#if defined(__HIPCC__) || defined(__CUDACC__)
#define PROBE_DEVICE __host__ __device__ inline
#else
#define PROBE_DEVICE inline
#endif

namespace probe {

/// Rows that a group of lanes computes together: each part of the input that a lane has read serves all of them.
constexpr int rows_together = 4;
/// Lanes of a group.
constexpr int lanes_together = 64;
/// Weights of a slot.
constexpr uint32_t slot_weights = 8;

/// What the 16 codes of a nibble stand for, in the order of the codes.
struct CodeTable {
    float values[16];
};

/// Value of a 4-bit code: the sign is bit 3, the magnitudes are 0, 1, 2, 3, 4, 6, 8, 10.
PROBE_DEVICE float code_value(uint32_t code) {
    const uint32_t m = code & 7U;
    const float magnitude = static_cast<float>(m <= 4U ? m : 2U * m - 4U);
    return (code & 8U) != 0U ? -magnitude : magnitude;
}

/// 2^power for -126 <= power <= 127, made from the bits of a float.
PROBE_DEVICE float power_of_two(int power) {
    union {
        uint32_t bits;
        float number;
    } both;
    both.bits = static_cast<uint32_t>(power + 127) << 23U;
    return both.number;
}

/// Value of a scale byte: M/1024 for exponent 0, else (8+M)*2^(E-11); 0 for the invalid bytes from 0x7f on.
PROBE_DEVICE float scale_value(uint32_t byte) {
    const uint32_t exponent = byte >> 3U;
    const uint32_t mantissa = (byte & 7U) + (exponent == 0U ? 0U : 8U);
    const float value =
        static_cast<float>(mantissa) * power_of_two(exponent == 0U ? -10 : static_cast<int>(exponent) - 11);
    return byte > 0x7eU ? 0.0F : value;
}

/// The four bytes that begin `shift` bits (0, 8, 16 or 24) into `first` and go on in `second`.
PROBE_DEVICE uint32_t joined(uint32_t first, uint32_t second, uint32_t shift) {
    return first >> shift | second << 1U << (31U ^ shift);  // in two steps: a shift by 32 is undefined
}

/// Eight numbers of the input: those of a slot's low nibbles, then those of its high nibbles.
struct SlotInput {
    float low[4];
    float high[4];
};

/// A half-precision number; 0 and subnormals included, no infinities.
PROBE_DEVICE float half_value(uint32_t bits) {
    const uint32_t exponent = bits >> 10U & 31U;
    const uint32_t mantissa = bits & 1023U;
    const float magnitude = exponent == 0U
                                ? static_cast<float>(mantissa) * power_of_two(-24)
                                : static_cast<float>(1024U + mantissa) * power_of_two(static_cast<int>(exponent) - 25);
    return (bits & 0x8000U) != 0U ? -magnitude : magnitude;
}

/// The input of slot `slot`, from f32 numbers.
PROBE_DEVICE SlotInput slot_input(const float* input, uint32_t slot) {
    const float* from = input + (slot >> 2U) * 32U + (slot & 3U) * 4U;
    SlotInput found;
    for (int i = 0; i < 4; ++i) {
        found.low[i] = from[i];
        found.high[i] = from[16 + i];
    }
    return found;
}

/// The input of slot `slot`, from f16 numbers.
PROBE_DEVICE SlotInput slot_input(const uint16_t* input, uint32_t slot) {
    const uint16_t* from = input + (slot >> 2U) * 32U + (slot & 3U) * 4U;
    SlotInput found;
    for (int i = 0; i < 4; ++i) {
        found.low[i] = half_value(from[i]);
        found.high[i] = half_value(from[16 + i]);
    }
    return found;
}

/// Where the bytes of a slot are in every row, for blocks of 17 (fast) or 18 (dual) bytes. Rows are whole words.
template <uint32_t BlockBytes>
struct SlotPlace {
    uint32_t word;  // the slot's first, of the row's
    uint32_t shift;
    uint32_t scale_word;  // a block's scale bytes never cross a word
    uint32_t scale_shift;

    PROBE_DEVICE explicit SlotPlace(uint32_t slot) {
        const uint32_t block = (slot >> 2U) * BlockBytes;
        const uint32_t at = block + (slot & 3U) * 4U;
        word = at >> 2U;
        shift = (at & 3U) * 8U;
        scale_word = (block + 16U) >> 2U;
        scale_shift = ((block + 16U) & 3U) * 8U;
    }
};

/// Product of one slot of the row at `row`.
template <uint32_t BlockBytes>
PROBE_DEVICE float slot_product(const uint32_t* row, const SlotPlace<BlockBytes>& place, const SlotInput& input,
                                const float* values) {
    const uint32_t codes = joined(row[place.word], row[place.word + 1U], place.shift);
    const uint32_t scales = row[place.scale_word] >> place.scale_shift;
    float low = 0.0F;
    float high = 0.0F;
    for (int i = 0; i < 4; ++i) {
        low += values[codes >> (8 * i) & 15U] * input.low[i];
        high += values[codes >> (8 * i + 4) & 15U] * input.high[i];
    }
    if (BlockBytes == 17U) {
        return (low + high) * scale_value(scales & 255U);
    }
    return low * scale_value(scales & 255U) + high * scale_value(scales >> 8U & 255U);
}

/// What lane `lane` of `lanes` adds to the rows `first`.. of a matrix of `rows` rows with `slots` slots each.
///
/// A row beyond the last is computed as the last, and is for the caller to drop.
template <uint32_t BlockBytes, typename Number>
PROBE_DEVICE void lane_sums(const uint32_t* words, const Number* input, uint32_t rows, uint32_t slots, uint32_t first,
                            uint32_t lane, uint32_t lanes, const float* values, float* sums) {
    const uint32_t row_words = slots / 16U * BlockBytes;  // four blocks are BlockBytes words
    const uint32_t* row[rows_together];
    for (int r = 0; r < rows_together; ++r) {
        const uint32_t wanted = first + static_cast<uint32_t>(r);
        row[r] = words + static_cast<uint64_t>(wanted < rows ? wanted : rows - 1U) * row_words;
        sums[r] = 0.0F;
    }
    for (uint32_t slot = lane; slot < slots; slot += lanes) {
        const SlotPlace<BlockBytes> place(slot);
        const SlotInput numbers = slot_input(input, slot);
        for (int r = 0; r < rows_together; ++r) {
            sums[r] += slot_product<BlockBytes>(row[r], place, numbers, values);
        }
    }
}

}  // namespace probe
