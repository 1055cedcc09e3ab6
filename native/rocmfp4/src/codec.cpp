// Which implementation runs.
#include "rocmfp4/codec.hpp"

#include "kernels.hpp"

namespace rocmfp4 {

bool available(Kernel kernel) {
    switch (kernel) {
        case Kernel::scalar:
            return true;
        case Kernel::avx2:
        case Kernel::avx512:
            return false;
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
    static_cast<void>(kernel);
    detail::dequantise_scalar(layout, data, blocks, out);
}

namespace detail {

Search search_of(Kernel kernel) {
    static_cast<void>(kernel);
    return search_scalar;
}

}  // namespace detail
}  // namespace rocmfp4
