// The arithmetic of the HIP kernel, run on the processor, lane by lane, and held against the codec.
#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "check.hpp"
#include "kernel_math.h"

namespace {

using probe::Number;
using rocmfp4::Layout;

template <std::uint32_t BlockBytes, typename Numbers>
std::vector<float> emulate(const probe::Matrix& matrix, const Numbers* input) {
    // Exactly as large as the device's buffer: the sanitizer sees whatever reads beyond it.
    std::vector<std::uint32_t> words(matrix.data.size() / 4);
    std::memcpy(words.data(), matrix.data.data(), matrix.data.size());
    float values[16];
    for (std::uint32_t code = 0; code < 16; ++code) {
        values[code] = probe::code_value(code);
    }
    const std::uint32_t rows = matrix.shape.rows;
    const std::uint32_t slots = matrix.shape.columns / probe::slot_weights;
    std::vector<float> result(rows);
    for (std::uint32_t first = 0; first < rows; first += probe::rows_together) {
        float parts[probe::lanes_together][probe::rows_together];
        for (std::uint32_t lane = 0; lane < probe::lanes_together; ++lane) {
            probe::lane_sums<BlockBytes>(words.data(), input, rows, slots, first, lane, probe::lanes_together, values,
                                         parts[lane]);
        }
        for (std::uint32_t r = 0; r < probe::rows_together && first + r < rows; ++r) {
            for (int half = probe::lanes_together / 2; half > 0; half /= 2) {
                for (int lane = 0; lane < half; ++lane) {
                    parts[lane][r] += parts[lane + half][r];
                }
            }
            result[first + r] = parts[0][r];
        }
    }
    return result;
}

std::vector<float> emulate(const probe::Matrix& matrix, const probe::Input& input, Number number) {
    const bool fast = matrix.shape.layout == Layout::fast;
    if (number == Number::f32) {
        std::vector<float> numbers(matrix.shape.columns);
        std::memcpy(numbers.data(), input.bytes.data(), input.bytes.size());
        return fast ? emulate<17>(matrix, numbers.data()) : emulate<18>(matrix, numbers.data());
    }
    std::vector<std::uint16_t> numbers(matrix.shape.columns);
    std::memcpy(numbers.data(), input.bytes.data(), input.bytes.size());
    return fast ? emulate<17>(matrix, numbers.data()) : emulate<18>(matrix, numbers.data());
}

std::uint32_t depth(std::uint32_t columns) {
    return 7 + (columns / probe::slot_weights + probe::lanes_together - 1) / probe::lanes_together + 6;
}

}  // namespace

TEST_CASE("codes and scale bytes mean what they mean to the codec") {
    for (std::uint32_t code = 0; code < 16; ++code) {
        CHECK(probe::code_value(code) == rocmfp4::value(static_cast<std::uint8_t>(code)));
    }
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        CHECK(probe::scale_value(byte) == rocmfp4::scale(static_cast<std::uint8_t>(byte)));
    }
}

TEST_CASE("halves mean what they mean to IEEE 754") {
    CHECK(probe::half_value(0x3c00) == 1.0F);
    CHECK(probe::half_value(0xb800) == -0.5F);
    CHECK(probe::half_value(0x7bff) == 65504.0F);
    CHECK(probe::half_value(0x0001) == 5.9604644775390625e-08F);
    CHECK(probe::half_value(0x0000) == 0.0F);
}

TEST_CASE("four bytes are found wherever they begin") {
    CHECK(probe::joined(0x03020100, 0x07060504, 0) == 0x03020100);
    CHECK(probe::joined(0x03020100, 0x07060504, 8) == 0x04030201);
    CHECK(probe::joined(0x03020100, 0x07060504, 24) == 0x06050403);
}

TEST_CASE("every lane together gives the product within its bound") {
    for (const Layout layout : {Layout::fast, Layout::dual}) {
        for (const Number number : {Number::f32, Number::f16}) {
            for (const std::uint32_t columns : {128U, 640U, 1280U, 5120U}) {
                // 1, 4 and 7 rows: a group with rows to drop, a full one, and both
                for (const std::uint32_t rows : {1U, 4U, 7U}) {
                    const probe::Matrix matrix =
                        probe::random_matrix({"any", layout, rows, columns, 1}, columns + rows);
                    const probe::Input input = probe::random_input(columns, number, 3);
                    const probe::Reference wanted = probe::reference(matrix, input);
                    const std::vector<float> result = emulate(matrix, input, number);
                    const probe::Errors errors = probe::compare(result, wanted, 0, depth(columns));
                    CAPTURE(columns);
                    CAPTURE(rows);
                    CHECK(errors.right);
                    CHECK(errors.absolute < errors.row_bound);
                }
            }
        }
    }
}

TEST_CASE("every scale byte, the invalid ones too") {
    for (const Layout layout : {Layout::fast, Layout::dual}) {
        const probe::Matrix matrix = probe::scale_matrix(layout);
        const probe::Input input = probe::random_input(256, Number::f32, 3);
        CHECK(
            probe::compare(emulate(matrix, input, Number::f32), probe::reference(matrix, input), 0, depth(256)).right);
    }
}

TEST_CASE("an input that is rounded to half precision is outside the bound") {
    for (const Layout layout : {Layout::fast, Layout::dual}) {
        const probe::Matrix matrix = probe::scale_matrix(layout);
        const probe::Input input = probe::random_input(256, Number::f32, 3);
        probe::Input rounded = input;
        for (std::size_t i = 0; i < rounded.values.size(); ++i) {
            std::uint32_t bits = 0;
            std::memcpy(&bits, rounded.bytes.data() + 4 * i, 4);
            bits = (bits + 0x1000U) & ~0x1fffU;  // 10 bits of the significand are left, as in TF32 too
            std::memcpy(rounded.bytes.data() + 4 * i, &bits, 4);
        }
        // With the greatest depth that a backend has: Vulkan's.
        const std::vector<float> result = emulate(matrix, rounded, Number::f32);
        CHECK_FALSE(probe::compare(result, probe::reference(matrix, input), 0, 72).right);
    }
}

TEST_CASE("a weight that is off is outside the bound, in the largest row too") {
    for (const Layout layout : {Layout::fast, Layout::dual}) {
        probe::Matrix matrix = probe::random_matrix({"any", layout, 2, 17408, 1}, 5);
        const probe::Input input = probe::random_input(17408, Number::f32, 3);
        const probe::Reference wanted = probe::reference(matrix, input);
        CHECK(probe::compare(emulate(matrix, input, Number::f32), wanted, 0, depth(17408)).right);
        probe::spoil(matrix.data);
        CHECK_FALSE(probe::compare(emulate(matrix, input, Number::f32), wanted, 0, depth(17408)).right);
    }
}
