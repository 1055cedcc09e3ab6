// Matrices with known products, and how far a device's result may be from them.
//
// The bound. Let y be a row's exact product, sum of w_k x_k, where the weights are exact floats. A device computes it
// with one rounding at each multiplication and addition, in an order of its own. If no term goes through more than h
// roundings on its way into the result, then |computed - y| <= ((1+u)^h - 1) * sum of |w_k x_k|, whatever the order
// (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1 and equation (4.4)); fused
// multiply-adds only leave roundings out. u is 2^-23: Vulkan asks for correct rounding but lets the device choose the
// direction (Vulkan specification, "Precision of Core SPIR-V Instructions"). No term is subnormal: weights are 0 or at
// least 2^-10, inputs at least 1/2. h is Matvec::depth(). A row that is off by more is wrong, and so is one that is not
// a number.
#pragma once

#include <cstdint>
#include <vector>

#include "device.hpp"

namespace probe {

/// A matrix in ROCmFP4, rows one after the other.
struct Matrix {
    Shape shape;
    std::vector<std::uint8_t> data;
};

/// The input vector as the device gets it, and what it means.
struct Input {
    std::vector<std::uint8_t> bytes;
    std::vector<double> values;
};

/// Of each row: the product, and the sum of the magnitudes of its terms, in double precision.
struct Reference {
    std::vector<double> product;
    std::vector<double> magnitude;
};

/// How far results are off. row_bound: of the row with the greatest absolute error. relative: to the row's magnitude.
struct Errors {
    double absolute = 0;
    double row_bound = 0;
    double relative = 0;
    double relative_bound = 0;
    bool right = true;

    /// Take over the worse of both.
    void worst(const Errors& other);
};

/// Random codes, and random scales of two octaves, so that a wrong weight stands out in the sum of its row.
Matrix random_matrix(const Shape& shape, std::uint64_t seed);

/// A matrix whose row r has the scale byte r everywhere (dual: 255 - r for the high nibbles), invalid ones too.
Matrix scale_matrix(rocmfp4::Layout layout);

/// `columns` numbers with 1/2 <= |x| < 2. Of f32 all 24 bits of the significand are used.
Input random_input(std::uint32_t columns, Number number, std::uint64_t seed);

/// The exact products, but for rounding in double precision. All processors work at it.
Reference reference(const Matrix& matrix, const Input& input);

/// Hold a result against the reference. Row r of the result belongs to row (r + shift) mod rows of the matrix.
Errors compare(const std::vector<float>& result, const Reference& reference, std::uint32_t shift, std::uint32_t depth);

/// Turn the sign of one weight that is not small; for the tests.
void spoil(std::vector<std::uint8_t>& data);

}  // namespace probe
