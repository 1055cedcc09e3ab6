#include <array>
#include <cmath>
#include <cstring>

#include "kernels.hpp"

namespace rocmfp4 {
namespace {

/// Whether all are finite and at least one is not 0.
bool worth_a_scale(const float* group, std::size_t count) {
    bool any = false;
    for (std::size_t i = 0; i < count; ++i) {
        if (!std::isfinite(group[i])) {
            return false;
        }
        any = any || group[i] != 0.0F;
    }
    return any;
}

std::uint8_t code_of(float weight, std::uint8_t scale_byte) {
    const std::uint8_t m = detail::nearest(std::fabs(weight) * (1.0F / scale(scale_byte)));
    // What is rounded to 0 has no sign: code 8 is never written.
    return static_cast<std::uint8_t>(m != 0 && weight < 0.0F ? m | 8 : m);
}

float mean_of_squares(const float* row, std::size_t weights) {
    float sum = 0.0F;
    for (std::size_t i = 0; i < weights; ++i) {
        sum += row[i] * row[i];
    }
    return sum / static_cast<float>(weights);
}

void weigh(const float* block, const float* importance, float mean, float* out) {
    for (std::size_t i = 0; i < block_weights; ++i) {
        const float weight = importance[i] * std::sqrt(mean + block[i] * block[i]);
        out[i] = importance[i] > 0.0F && std::isfinite(importance[i]) ? weight : 0.0F;
    }
}

void quantise_block(Layout layout, const float* block, const float* importance, std::uint8_t* out,
                    detail::Search search) {
    const std::size_t count = block_weights / scale_bytes(layout);
    std::array<std::uint8_t, block_weights> codes{};
    for (std::size_t group = 0; group < scale_bytes(layout); ++group) {
        const float* weights = block + group * count;
        std::uint8_t byte = 0;
        if (worth_a_scale(weights, count)) {
            byte = search(weights, importance == nullptr ? nullptr : importance + group * count, count);
            for (std::size_t i = 0; i < count; ++i) {
                codes[group * count + i] = code_of(weights[i], byte);
            }
        }
        out[code_bytes + group] = byte;
    }
    for (std::size_t j = 0; j < code_bytes; ++j) {
        out[j] = static_cast<std::uint8_t>(codes[j] | (codes[j + code_bytes] << 4));
    }
}

}  // namespace

void quantise(Layout layout, const float* row, std::size_t weights, const float* importance, std::uint8_t* out,
              Kernel kernel) {
    const detail::Search search = detail::search_of(kernel);
    const float mean = importance == nullptr ? 0.0F : mean_of_squares(row, weights);
    std::array<float, block_weights> weighted{};
    for (std::size_t i = 0; i < weights; i += block_weights) {
        if (importance != nullptr) {
            weigh(row + i, importance + i, mean, weighted.data());
        }
        quantise_block(layout, row + i, importance == nullptr ? nullptr : weighted.data(), out, search);
        out += block_bytes(layout);
    }
}

}  // namespace rocmfp4
