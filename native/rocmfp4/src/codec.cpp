// Which implementation runs.
#include "rocmfp4/codec.hpp"

#include "kernels.hpp"

namespace rocmfp4 {

bool available(Kernel kernel) {
    switch (kernel) {
        case Kernel::scalar:
            return true;
#if ROCMFP4_X86
        case Kernel::avx2:
            return __builtin_cpu_supports("avx2") != 0;
        case Kernel::avx512:
            return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0;
#else
        case Kernel::avx2:
        case Kernel::avx512:
            return false;
#endif
    }
    return false;
}

Kernel best_kernel() {
    static const Kernel best = available(Kernel::avx512) ? Kernel::avx512
                               : available(Kernel::avx2) ? Kernel::avx2
                                                         : Kernel::scalar;
    return best;
}

const char* name(Kernel kernel) {
    switch (kernel) {
        case Kernel::scalar:
            return "scalar";
        case Kernel::avx2:
            return "avx2";
        case Kernel::avx512:
            return "avx512";
    }
    return "unknown";
}

void dequantise(Layout layout, const std::uint8_t* data, std::size_t blocks, float* out, Kernel kernel) {
    detail::dequantise_of(kernel)(layout, data, blocks, out);
}

namespace detail {
namespace {

/// One of three by what the processor has.
template <typename Function>
Function choose(Kernel kernel, Function scalar, Function avx2, Function avx512) {
    if (kernel == Kernel::avx512 && available(kernel)) {
        return avx512;
    }
    return kernel == Kernel::avx2 && available(kernel) ? avx2 : scalar;
}

}  // namespace

#if ROCMFP4_X86
#define ROCMFP4_CHOOSE(name) choose(kernel, name##_scalar, name##_avx2, name##_avx512)
#else
#define ROCMFP4_CHOOSE(name) choose(kernel, name##_scalar, name##_scalar, name##_scalar)
#endif

Dequantise dequantise_of(Kernel kernel) { return ROCMFP4_CHOOSE(dequantise); }
AnyInvalid any_invalid_of(Kernel kernel) { return ROCMFP4_CHOOSE(any_invalid); }
Search search_of(Kernel kernel) { return ROCMFP4_CHOOSE(search); }

}  // namespace detail
}  // namespace rocmfp4
