// Fields of ggml's types: ggml-common.h of llama.cpp. Of their blocks only the scales are looked at, since every
// pattern of the packed weights is a weight. Left out: q8_1 and q8_k (never in files), iq1_m (its scale is in pieces),
// nvfp4 (which scales are valid is not settled), the fork's turbo3 and turbo4 (layout not published, KV cache only).
#include "rules.hpp"

#include <algorithm>

namespace verify {
namespace {

constexpr const char* every_value = "every value, for NaN and infinity";
constexpr const char* scale = "the f16 scale of every block, for NaN and infinity";
constexpr const char* scale_and_minimum = "the f16 scale and minimum of every block, for NaN and infinity";
constexpr const char* scale_bytes = "the scale bytes of every block";

const std::vector<Rule>& rules() {
    static const std::vector<Rule> all = {
        {0, every_value, {{Field::f32, 0}}},
        {1, every_value, {{Field::f16, 0}}},
        {2, scale, {{Field::f16, 0}}},                                  // q4_0
        {3, scale_and_minimum, {{Field::f16, 0}, {Field::f16, 2}}},     // q4_1
        {6, scale, {{Field::f16, 0}}},                                  // q5_0
        {7, scale_and_minimum, {{Field::f16, 0}, {Field::f16, 2}}},     // q5_1
        {8, scale, {{Field::f16, 0}}},                                  // q8_0
        {10, scale_and_minimum, {{Field::f16, 80}, {Field::f16, 82}}},  // q2_k
        {11, scale, {{Field::f16, 108}}},                               // q3_k
        {12, scale_and_minimum, {{Field::f16, 0}, {Field::f16, 2}}},    // q4_k
        {13, scale_and_minimum, {{Field::f16, 0}, {Field::f16, 2}}},    // q5_k
        {14, scale, {{Field::f16, 208}}},                               // q6_k
        {16, scale, {{Field::f16, 0}}},                                 // iq2_xxs
        {17, scale, {{Field::f16, 0}}},                                 // iq2_xs
        {18, scale, {{Field::f16, 0}}},                                 // iq3_xxs
        {19, scale, {{Field::f16, 0}}},                                 // iq1_s
        {20, scale, {{Field::f16, 0}}},                                 // iq4_nl
        {21, scale, {{Field::f16, 0}}},                                 // iq3_s
        {22, scale, {{Field::f16, 0}}},                                 // iq2_s
        {23, scale, {{Field::f16, 0}}},                                 // iq4_xs
        {28, every_value, {{Field::f64, 0}}},
        {30, every_value, {{Field::bf16, 0}}},
        {34, scale, {{Field::f16, 52}}},                                        // tq1_0
        {35, scale, {{Field::f16, 64}}},                                        // tq2_0
        {39, "the exponent byte of every block, for NaN", {{Field::e8m0, 0}}},  // mxfp4
        {41, scale, {{Field::f16, 0}}},                                         // q1_0
        {42, scale, {{Field::f16, 0}}},                                         // q2_0
        {100, scale_bytes, {{Field::scale_byte, 16}, {Field::scale_byte, 17}}},
        {101, scale_bytes, {{Field::scale_byte, 16}}},
        {102, scale_bytes, {{Field::scale_byte, 24}, {Field::scale_byte, 25}}},
        {103, scale_bytes, {{Field::scale_byte, 32}}},
        {104, scale_bytes, {{Field::scale_byte, 12}, {Field::scale_byte, 13}}},
    };
    return all;
}

bool is_integer(std::uint32_t type_id) { return type_id >= 24 && type_id <= 27; }

}  // namespace

const Rule* find_rule(std::uint32_t type_id) {
    const auto found =
        std::find_if(rules().begin(), rules().end(), [&](const Rule& rule) { return rule.type_id == type_id; });
    return found == rules().end() ? nullptr : &*found;
}

const char* why_unchecked(std::uint32_t type_id) {
    if (gguf::find_type(type_id) == nullptr) {
        return "not validated: unknown type";
    }
    return is_integer(type_id) ? "not validated: every integer is valid" : "not validated";
}

}  // namespace verify
