// Ids and block sizes: ggml.h and ggml-common.h of llama.cpp. strixkit/planner/gguf.py has the same table; the tests
// hold one against the other.
#include "gguf/types.hpp"

#include <algorithm>
#include <iterator>

namespace gguf {
namespace {

// clang-format off
constexpr Type types[] = {
    {0, "f32", 1, 4}, {1, "f16", 1, 2}, {2, "q4_0", 32, 18}, {3, "q4_1", 32, 20}, {6, "q5_0", 32, 22},
    {7, "q5_1", 32, 24}, {8, "q8_0", 32, 34}, {9, "q8_1", 32, 36}, {10, "q2_k", 256, 84}, {11, "q3_k", 256, 110},
    {12, "q4_k", 256, 144}, {13, "q5_k", 256, 176}, {14, "q6_k", 256, 210}, {15, "q8_k", 256, 292},
    {16, "iq2_xxs", 256, 66}, {17, "iq2_xs", 256, 74}, {18, "iq3_xxs", 256, 98}, {19, "iq1_s", 256, 50},
    {20, "iq4_nl", 32, 18}, {21, "iq3_s", 256, 110}, {22, "iq2_s", 256, 82}, {23, "iq4_xs", 256, 136},
    {24, "i8", 1, 1}, {25, "i16", 1, 2}, {26, "i32", 1, 4}, {27, "i64", 1, 8}, {28, "f64", 1, 8},
    {29, "iq1_m", 256, 56}, {30, "bf16", 1, 2}, {34, "tq1_0", 256, 54}, {35, "tq2_0", 256, 66},
    {39, "mxfp4", 32, 17}, {40, "nvfp4", 64, 36}, {41, "q1_0", 128, 18}, {42, "q2_0", 64, 18},
    {100, "q4_0_rocmfp4", 32, 18}, {101, "q4_0_rocmfp4_fast", 32, 17}, {102, "q6_0_rocmfpx", 32, 26},
    {103, "q8_0_rocmfpx", 32, 33}, {104, "q3_0_rocmfpx", 32, 14}, {105, "turbo3", 32, 14}, {106, "turbo4", 32, 18},
};
// clang-format on

}  // namespace

const Type* find_type(std::uint32_t id) {
    const auto* found =
        std::find_if(std::begin(types), std::end(types), [id](const Type& type) { return type.id == id; });
    return found == std::end(types) ? nullptr : found;
}

}  // namespace gguf
