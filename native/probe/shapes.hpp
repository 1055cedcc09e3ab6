// The matrices whose product with a vector is measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rocmfp4/codec.hpp"

namespace probe {

/// One matrix of a model. per_token: how many of this shape one token of the model is multiplied with.
struct Shape {
    std::string name;
    rocmfp4::Layout layout;
    std::uint32_t rows;
    std::uint32_t columns;
    std::uint32_t per_token = 1;

    /// Bytes of the whole matrix.
    std::uint64_t bytes() const {
        return std::uint64_t{rows} * (columns / rocmfp4::block_weights) * rocmfp4::block_bytes(layout);
    }
};

/// "fast" or "dual".
const char* name(rocmfp4::Layout layout);

/// Rows must be whole 32-bit words in both layouts: columns are a multiple of this.
constexpr std::uint32_t column_step = 128;

/// The shapes of a comma-separated list: names of the 27B's matrices, `27b` for all of them, `small` for two that a
/// test computes in no time, or LAYOUT:ROWSxCOLUMNS. Throws std::invalid_argument with what is wrong.
std::vector<Shape> shapes_of(const std::string& list);

/// Names that shapes_of knows, for the help text.
std::string known_shapes();

}  // namespace probe
