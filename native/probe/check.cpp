#include "check.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "parallel.hpp"

namespace probe {
namespace {

/// splitmix64 (S. Vigna, public domain): fast, and the same numbers everywhere.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31U);
    }

  private:
    std::uint64_t state_;
};

constexpr std::uint8_t first_scale = 0x20;  // 2^-4; two octaves are 16 bytes

template <typename Scales>
Matrix filled(const Shape& shape, std::uint64_t seed, const Scales& scales) {
    Matrix matrix{shape, std::vector<std::uint8_t>(shape.bytes())};
    const std::size_t block = rocmfp4::block_bytes(shape.layout);
    const std::size_t row = shape.columns / rocmfp4::block_weights * block;
    Random random(seed);
    std::uint8_t* at = matrix.data.data();
    for (std::uint32_t r = 0; r < shape.rows; ++r) {
        for (const std::uint8_t* end = at + row; at != end; at += block) {
            const std::uint64_t codes[2] = {random.next(), random.next()};
            std::memcpy(at, codes, sizeof codes);
            scales(random, r, at + rocmfp4::code_bytes, block - rocmfp4::code_bytes);
        }
    }
    return matrix;
}

}  // namespace

const char* name(Number number) { return number == Number::f32 ? "f32" : "f16"; }

void Errors::worst(const Errors& other) {
    if (other.absolute > absolute || (other.absolute == absolute && other.row_bound > row_bound)) {
        absolute = other.absolute;
        row_bound = other.row_bound;
    }
    relative = std::max(relative, other.relative);
    relative_bound = std::max(relative_bound, other.relative_bound);
    right = right && other.right;
}

Matrix random_matrix(const Shape& shape, std::uint64_t seed) {
    return filled(shape, seed, [](Random& random, std::uint32_t, std::uint8_t* scales, std::size_t count) {
        const std::uint64_t bits = random.next();
        for (std::size_t i = 0; i < count; ++i) {
            scales[i] = static_cast<std::uint8_t>(first_scale + (bits >> (8 * i) & 15U));
        }
    });
}

Matrix scale_matrix(rocmfp4::Layout layout) {
    const Shape shape{"scale_bytes", layout, 256, 256, 0};
    return filled(shape, 1, [](Random&, std::uint32_t row, std::uint8_t* scales, std::size_t count) {
        scales[0] = static_cast<std::uint8_t>(row);
        scales[count - 1] = static_cast<std::uint8_t>(count == 1 ? row : 255 - row);
    });
}

Input random_input(std::uint32_t columns, Number number, std::uint64_t seed) {
    Input input;
    Random random(seed);
    for (std::uint32_t i = 0; i < columns; ++i) {
        const std::uint64_t bits = random.next();
        const bool negative = (bits >> 63U) != 0;
        const int exponent = (bits >> 62U & 1U) != 0 ? 0 : -1;
        const int digits = number == Number::f32 ? 23 : 10;  // of the significand, after the leading one
        const std::uint32_t mantissa = static_cast<std::uint32_t>(bits) & ((1U << digits) - 1U);
        const double magnitude = std::ldexp(1.0 + std::ldexp(static_cast<double>(mantissa), -digits), exponent);
        input.values.push_back(negative ? -magnitude : magnitude);
        std::uint8_t raw[4];
        std::size_t size = 4;
        if (number == Number::f32) {
            const float value = static_cast<float>(input.values.back());
            std::memcpy(raw, &value, size);
        } else {
            const std::uint32_t half = (negative ? 0x8000U : 0U) | static_cast<std::uint32_t>(exponent + 15) << 10U;
            const std::uint16_t value = static_cast<std::uint16_t>(half | mantissa);
            size = sizeof value;
            std::memcpy(raw, &value, size);
        }
        input.bytes.insert(input.bytes.end(), raw, raw + size);
    }
    return input;
}

Reference reference(const Matrix& matrix, const Input& input) {
    const Shape& shape = matrix.shape;
    const std::size_t blocks = shape.columns / rocmfp4::block_weights;
    const std::size_t row_bytes = blocks * rocmfp4::block_bytes(shape.layout);
    Reference found{std::vector<double>(shape.rows), std::vector<double>(shape.rows)};
    parallel(shape.rows, [&](std::size_t first, std::size_t last, std::size_t) {
        std::vector<float> weights(shape.columns);
        for (std::size_t row = first; row < last; ++row) {
            rocmfp4::dequantise(shape.layout, matrix.data.data() + row * row_bytes, blocks, weights.data());
            double product = 0;
            double magnitude = 0;
            for (std::size_t i = 0; i < weights.size(); ++i) {
                const double term = static_cast<double>(weights[i]) * input.values[i];
                product += term;
                magnitude += std::abs(term);
            }
            found.product[row] = product;
            found.magnitude[row] = magnitude;
        }
    });
    return found;
}

Errors compare(const std::vector<float>& result, const Reference& reference, std::uint32_t shift, std::uint32_t depth) {
    const std::size_t rows = reference.product.size();
    Errors errors;
    errors.relative_bound = std::expm1(static_cast<double>(depth) * std::log1p(std::ldexp(1.0, -23)));
    for (std::size_t r = 0; r < rows; ++r) {
        const std::size_t row = (r + shift) % rows;
        const double magnitude = reference.magnitude[row];
        double error = std::abs(static_cast<double>(result[r]) - reference.product[row]);
        if (!std::isfinite(error)) {
            error = std::numeric_limits<double>::infinity();
        }
        // The reference has roundings of its own, in double precision: a millionth of the bound, at most.
        const double bound = errors.relative_bound * magnitude * (1 + 1e-6);
        if (error > errors.absolute || (error == errors.absolute && bound > errors.row_bound)) {
            errors.absolute = error;
            errors.row_bound = bound;
        }
        if (error > 0) {
            errors.relative = std::max(errors.relative, error / magnitude);
        }
        errors.right = errors.right && error <= bound;
    }
    return errors;
}

void spoil(std::vector<std::uint8_t>& data) {
    for (std::size_t i = 0; i < rocmfp4::code_bytes; ++i) {
        if ((data[i] & 7U) >= 4U) {
            data[i] = static_cast<std::uint8_t>(data[i] ^ 8U);
            return;
        }
    }
}

}  // namespace probe
