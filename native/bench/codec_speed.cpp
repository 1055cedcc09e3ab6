// codec-speed: Mweights/s of one thread, for each kernel that the processor has.
#include <chrono>
#include <cstdio>
#include <random>
#include <vector>

#include "rocmfp4/codec.hpp"

namespace {

template <typename Function>
double seconds_of(Function function) {
    const auto begin = std::chrono::steady_clock::now();
    function();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main() {
    using namespace rocmfp4;
    constexpr std::size_t count = std::size_t{1} << 20;
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0.0F, 0.02F);
    std::vector<float> weights(count);
    for (float& weight : weights) {
        weight = normal(random);
    }
    std::vector<float> importance(count, 1.5F);
    std::vector<float> out(count);
    for (const Layout layout : {Layout::dual, Layout::fast}) {
        std::vector<std::uint8_t> blocks(count / block_weights * block_bytes(layout));
        for (const Kernel kernel : {Kernel::scalar, Kernel::avx2, Kernel::avx512}) {
            if (!available(kernel)) {
                continue;
            }
            const double plain =
                seconds_of([&] { quantise(layout, weights.data(), count, nullptr, blocks.data(), kernel); });
            const double weighted =
                seconds_of([&] { quantise(layout, weights.data(), count, importance.data(), blocks.data(), kernel); });
            constexpr int rounds = 20;
            const double back = seconds_of([&] {
                for (int i = 0; i < rounds; ++i) {
                    dequantise(layout, blocks.data(), count / block_weights, out.data(), kernel);
                }
            });
            std::printf("%s %s quantise %.1f with_importance %.1f dequantise %.0f\n",
                        layout == Layout::dual ? "dual" : "fast", name(kernel), 1e-6 * count / plain,
                        1e-6 * count / weighted, 1e-6 * count * rounds / back);
        }
    }
    return 0;
}
