// ROCmFP4, the 4-bit float format of the llama.cpp fork ROCmFPX (GGUF tensor types 100 and 101).
//
// 32 weights make a block: 16 bytes with two 4-bit codes each, then the scale bytes. The low nibble of byte j is
// weight j, the high nibble weight j + 16. A weight is value(code) * scale(byte), exact in a float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace rocmfp4 {

/// The two layouts of a block; the numbers are the ids of the GGUF tensor types.
enum class Layout : std::uint32_t {
    dual = 100,  // 18 bytes: a scale for weights 0..15, another for weights 16..31
    fast = 101,  // 17 bytes: one scale
};

/// Weights in a block.
constexpr std::size_t block_weights = 32;
/// Bytes of the codes at the start of a block; the scale bytes follow.
constexpr std::size_t code_bytes = 16;
/// The greatest valid scale byte. Greater ones decode to 0, and a file that has one is damaged.
constexpr std::uint8_t max_scale_byte = 0x7e;

/// Scale bytes of a block.
constexpr std::size_t scale_bytes(Layout layout) { return layout == Layout::dual ? 2 : 1; }

/// Bytes of a block.
constexpr std::size_t block_bytes(Layout layout) { return code_bytes + scale_bytes(layout); }

/// What a 4-bit code stands for: bit 3 is the sign, bits 0 to 2 choose 0, 1, 2, 3, 4, 6, 8 or 10. Code 8 is 0, without
/// a sign: so the fork decodes it, from a table of integers.
constexpr float value(std::uint8_t code) {
    const int m = code & 7;
    const int magnitude = m <= 4 ? m : 2 * m - 4;
    return static_cast<float>((code & 8) != 0 ? -magnitude : magnitude);
}

/// What a scale byte stands for: half of the unsigned E4M3 value; 0 for the invalid bytes above max_scale_byte.
constexpr float scale(std::uint8_t byte) {
    if (byte > max_scale_byte) {
        return 0.0F;
    }
    const int exponent = byte >> 3;
    const int mantissa = byte & 7;
    float result = static_cast<float>(exponent == 0 ? mantissa : 8 + mantissa) / 1024.0F;  // 2^-10
    for (int i = 1; i < exponent; ++i) {
        result *= 2.0F;
    }
    return result;
}

/// Implementations of the same results; which of them the processor has is found at run time.
enum class Kernel { scalar, avx2, avx512 };

/// The fastest one that this processor and this build have.
Kernel best_kernel();

/// Whether this processor and this build have it.
bool available(Kernel kernel);

/// "scalar", "avx2" or "avx512".
const char* name(Kernel kernel);

/// Write the `blocks * block_weights` weights of `blocks` blocks at `data` to `out`. No alignment is needed.
void dequantise(Layout layout, const std::uint8_t* data, std::size_t blocks, float* out, Kernel kernel = best_kernel());

/// Quantise one row of `weights` floats (a multiple of block_weights) to `weights / block_weights` blocks at `out`.
///
/// For each group that shares a scale, the scale byte from 1 to 126 with the least squared error is chosen, the
/// smaller of equals. A group with a value that is not finite, or of zeros only, becomes zeros with scale byte 0.
/// importance: `weights` numbers from an importance matrix or nullptr. Errors are then weighted by
/// importance * sqrt(mean of the row's squares + weight^2); what is not positive and finite counts as 0.
void quantise(Layout layout, const float* row, std::size_t weights, const float* importance, std::uint8_t* out,
              Kernel kernel = best_kernel());

/// Index of the first of `blocks` blocks that has an invalid scale byte; nothing if all are valid.
std::optional<std::size_t> first_invalid(Layout layout, const std::uint8_t* data, std::size_t blocks,
                                         Kernel kernel = best_kernel());

}  // namespace rocmfp4
