// Any bytes as blocks and as weights: all kernels agree, and what is quantised is valid.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "rocmfp4/codec.hpp"

using namespace rocmfp4;

namespace {

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

constexpr Kernel fast_kernels[] = {Kernel::avx2, Kernel::avx512};

void decode(Layout layout, const std::uint8_t* data, std::size_t size) {
    const std::size_t blocks = size / block_bytes(layout);
    std::vector<float> wanted(blocks * block_weights);
    dequantise(layout, data, blocks, wanted.data(), Kernel::scalar);
    const auto invalid = first_invalid(layout, data, blocks, Kernel::scalar);
    for (const Kernel kernel : fast_kernels) {
        if (available(kernel)) {
            std::vector<float> found(wanted.size());
            dequantise(layout, data, blocks, found.data(), kernel);
            require(found.empty() || std::memcmp(found.data(), wanted.data(), found.size() * sizeof(float)) == 0);
            require(first_invalid(layout, data, blocks, kernel) == invalid);
        }
    }
}

std::vector<float> floats_of(const std::uint8_t* data, std::size_t count) {
    std::vector<float> row(count);
    if (count != 0) {
        std::memcpy(row.data(), data, count * sizeof(float));
    }
    return row;
}

/// The first half of the bytes are weights, the second their importance.
void encode(Layout layout, const std::uint8_t* data, std::size_t size) {
    const std::size_t weights = size / 2 / sizeof(float) / block_weights * block_weights;
    const std::vector<float> row = floats_of(data, weights);
    const std::vector<float> all_importance = floats_of(data + weights * sizeof(float), weights);
    const float* const variants[] = {nullptr, all_importance.data()};
    for (const float* importance : variants) {
        std::vector<std::uint8_t> wanted(weights / block_weights * block_bytes(layout));
        quantise(layout, row.data(), weights, importance, wanted.data(), Kernel::scalar);
        require(!first_invalid(layout, wanted.data(), weights / block_weights).has_value());
        for (const Kernel kernel : fast_kernels) {
            if (available(kernel)) {
                std::vector<std::uint8_t> found(wanted.size());
                quantise(layout, row.data(), weights, importance, found.data(), kernel);
                require(found == wanted);
            }
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    for (const Layout layout : {Layout::dual, Layout::fast}) {
        decode(layout, data, size);
        encode(layout, data, size);
    }
    return 0;
}
