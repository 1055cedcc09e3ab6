// HIP as a backend. Compiled by hipcc, or by nvcc for a test on an NVIDIA GPU; the arithmetic of the product is
// kernel_math.h.
#ifdef PROBE_HIP_AS_CUDA
#include "cuda_as_hip.h"
#else
#include <hip/hip_runtime.h>
#endif

#include <algorithm>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "device.hpp"
#include "kernel_math.h"

namespace probe {
namespace hip {
namespace {

constexpr int stream_lanes = 256;
constexpr int most_groups = 2048;

void check(hipError_t error, const char* call) {
    if (error != hipSuccess) {
        throw std::runtime_error(std::string(call) + ": " + hipGetErrorString(error));
    }
}

__global__ void fill_kernel(uint4* data, size_t count) {
    const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
    for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride) {
        const auto word = static_cast<uint32_t>(4 * i);
        data[i] = make_uint4(word * stream_factor + 1U, (word + 1U) * stream_factor + 1U,
                             (word + 2U) * stream_factor + 1U, (word + 3U) * stream_factor + 1U);
    }
}

__device__ uint32_t sum_of(const uint4& vector) { return vector.x + vector.y + vector.z + vector.w; }

/// The sum of all words, one for each workgroup.
__global__ void read_kernel(const uint4* data, size_t count, uint32_t* sums) {
    __shared__ uint32_t total;
    if (threadIdx.x == 0) {
        total = 0;
    }
    __syncthreads();
    const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
    uint32_t a = 0;
    uint32_t b = 0;
    uint32_t c = 0;
    uint32_t d = 0;
    size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i + 3 * stride < count; i += 4 * stride) {
        a += sum_of(data[i]);
        b += sum_of(data[i + stride]);
        c += sum_of(data[i + 2 * stride]);
        d += sum_of(data[i + 3 * stride]);
    }
    for (; i < count; i += stride) {
        a += sum_of(data[i]);
    }
    atomicAdd(&total, a + b + c + d);
    __syncthreads();
    if (threadIdx.x == 0) {
        sums[blockIdx.x] = total;
    }
}

__global__ void copy_kernel(const uint4* from, uint4* to, size_t count) {
    const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
    size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i + 3 * stride < count; i += 4 * stride) {
        const uint4 a = from[i];
        const uint4 b = from[i + stride];
        const uint4 c = from[i + 2 * stride];
        const uint4 d = from[i + 3 * stride];
        to[i] = a;
        to[i + stride] = b;
        to[i + 2 * stride] = c;
        to[i + 3 * stride] = d;
    }
    for (; i < count; i += stride) {
        to[i] = from[i];
    }
}

/// One workgroup of lanes_together lanes for rows_together rows.
template <uint32_t BlockBytes, typename Number>
__global__ void __launch_bounds__(lanes_together)
    matvec_kernel(const uint32_t* words, const Number* input, uint32_t rows, uint32_t slots, float* result) {
    __shared__ float values[16];
    __shared__ float parts[rows_together][lanes_together];
    const uint32_t lane = threadIdx.x;
    if (lane < 16U) {
        values[lane] = code_value(lane);
    }
    __syncthreads();
    const uint32_t first = blockIdx.x * rows_together;
    float sums[rows_together];
    lane_sums<BlockBytes>(words, input, rows, slots, first, lane, lanes_together, values, sums);
    for (int r = 0; r < rows_together; ++r) {
        parts[r][lane] = sums[r];
    }
    __syncthreads();
    for (int half = lanes_together / 2; half > 0; half /= 2) {
        if (lane < static_cast<uint32_t>(half)) {
            for (int r = 0; r < rows_together; ++r) {
                parts[r][lane] += parts[r][lane + static_cast<uint32_t>(half)];
            }
        }
        __syncthreads();
    }
    if (lane < rows_together && first + lane < rows) {
        result[first + lane] = parts[lane][0];
    }
}

/// Memory of the device.
template <typename T>
class Memory {
  public:
    explicit Memory(size_t count) {
        check(hipMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)), "hipMalloc");
    }
    Memory(Memory&& other) noexcept : data_(other.data_) { other.data_ = nullptr; }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    Memory& operator=(Memory&&) = delete;
    ~Memory() { static_cast<void>(hipFree(data_)); }
    T* get() const { return data_; }

  private:
    T* data_ = nullptr;
};

/// Seconds of what `work` puts on the device, by its events.
template <typename Work>
double timed(const Work& work) {
    hipEvent_t start;
    hipEvent_t end;
    check(hipEventCreate(&start), "hipEventCreate");
    check(hipEventCreate(&end), "hipEventCreate");
    check(hipEventRecord(start, nullptr), "hipEventRecord");
    work();
    check(hipGetLastError(), "launching a kernel");
    check(hipEventRecord(end, nullptr), "hipEventRecord");
    check(hipEventSynchronize(end), "hipEventSynchronize");
    float milliseconds = 0;
    check(hipEventElapsedTime(&milliseconds, start, end), "hipEventElapsedTime");
    check(hipEventDestroy(start), "hipEventDestroy");
    check(hipEventDestroy(end), "hipEventDestroy");
    return static_cast<double>(milliseconds) / 1000;
}

class HipStream : public Stream {
  public:
    explicit HipStream(uint64_t bytes)
        : count_(bytes / sizeof(uint4)),
          groups_(static_cast<int>(std::clamp<size_t>(count_ / stream_lanes, 1, most_groups))),
          from_(count_),
          to_(count_),
          sums_(most_groups) {
        timed([&] { fill_kernel<<<groups_, stream_lanes>>>(from_.get(), count_); });
    }
    double read(uint32_t passes) override {
        return timed([&] {
            for (uint32_t pass = 0; pass < passes; ++pass) {
                read_kernel<<<groups_, stream_lanes>>>(from_.get(), count_, sums_.get());
            }
        });
    }
    double copy(uint32_t passes) override {
        return timed([&] {
            for (uint32_t pass = 0; pass < passes; ++pass) {
                copy_kernel<<<groups_, stream_lanes>>>(from_.get(), to_.get(), count_);
            }
        });
    }
    uint32_t sum() override {
        std::vector<uint32_t> sums(static_cast<size_t>(groups_));
        check(hipMemcpy(sums.data(), sums_.get(), sums.size() * sizeof sums[0], hipMemcpyDeviceToHost), "hipMemcpy");
        return std::accumulate(sums.begin(), sums.end(), 0U);
    }
    uint32_t sum_of_copy() override {
        timed([&] { read_kernel<<<groups_, stream_lanes>>>(to_.get(), count_, sums_.get()); });
        return sum();
    }

  private:
    size_t count_;
    int groups_;
    Memory<uint4> from_;
    Memory<uint4> to_;
    Memory<uint32_t> sums_;
};

class HipMatvec : public Matvec {
  public:
    explicit HipMatvec(const MatvecJob& job) : shape_(job.shape), number_(job.number), input_(job.input.size()) {
        if (job.fault == Fault::nibbles) {
            throw std::runtime_error("hip has no kernel with wrong nibbles");
        }
        check(hipMemcpy(input_.get(), job.input.data(), job.input.size(), hipMemcpyHostToDevice), "hipMemcpy");
        for (uint32_t copy = 0; copy < job.copies; ++copy) {
            matrices_.emplace_back(shape_.bytes());
            results_.emplace_back(shape_.rows);
        }
    }
    void write(uint32_t copy, uint64_t offset, const uint8_t* data, uint64_t size) override {
        check(hipMemcpy(matrices_.at(copy).get() + offset, data, size, hipMemcpyHostToDevice), "hipMemcpy");
    }
    double run(uint32_t passes) override {
        return timed([&] {
            for (uint32_t pass = 0; pass < passes; ++pass) {
                for (size_t copy = 0; copy < matrices_.size(); ++copy) {
                    multiply(copy);
                }
            }
        });
    }
    std::vector<float> result(uint32_t copy) override {
        std::vector<float> found(shape_.rows);
        check(hipMemcpy(found.data(), results_.at(copy).get(), found.size() * sizeof(float), hipMemcpyDeviceToHost),
              "hipMemcpy");
        return found;
    }
    uint32_t depth() const override {
        // The product, four sums of a slot, two halves, the scale, the slots of a lane, and six halvings of the lanes.
        const uint32_t slots = (shape_.columns / slot_weights + lanes_together - 1) / lanes_together;
        return 1 + 4 + 1 + 1 + slots + 6;
    }

  private:
    void multiply(size_t copy) const {
        const bool fast = shape_.layout == rocmfp4::Layout::fast;
        if (number_ == Number::f32) {
            const auto* input = reinterpret_cast<const float*>(input_.get());
            fast ? launch<17>(copy, input) : launch<18>(copy, input);
        } else {
            const auto* input = reinterpret_cast<const uint16_t*>(input_.get());
            fast ? launch<17>(copy, input) : launch<18>(copy, input);
        }
    }
    template <uint32_t BlockBytes, typename Numbers>
    void launch(size_t copy, const Numbers* input) const {
        const auto* words = reinterpret_cast<const uint32_t*>(matrices_[copy].get());
        const uint32_t groups = (shape_.rows + rows_together - 1) / rows_together;
        matvec_kernel<BlockBytes><<<groups, lanes_together>>>(words, input, shape_.rows, shape_.columns / slot_weights,
                                                              results_[copy].get());
    }

    Shape shape_;
    Number number_;
    Memory<uint8_t> input_;
    std::vector<Memory<uint8_t>> matrices_;
    std::vector<Memory<float>> results_;
};

DeviceInfo describe(int index) {
    hipDeviceProp_t properties{};
    check(hipGetDeviceProperties(&properties, index), "hipGetDeviceProperties");
    int driver = 0;
    int runtime = 0;
    check(hipDriverGetVersion(&driver), "hipDriverGetVersion");
    check(hipRuntimeGetVersion(&runtime), "hipRuntimeGetVersion");
    DeviceInfo info;
    info.backend = "hip";
    info.index = index;
    info.name = properties.name;
    info.type = properties.integrated != 0 ? "integrated" : "discrete";
#ifdef PROBE_HIP_AS_CUDA
    info.vendor_id = 0x10de;
    info.architecture = "sm_" + std::to_string(10 * properties.major + properties.minor);
    info.driver = "CUDA (a test of the HIP kernels)";
#else
    info.vendor_id = 0x1002;
    info.architecture = std::string(properties.gcnArchName);
    info.architecture = info.architecture.substr(0, info.architecture.find(':'));
    info.driver = "HIP";
#endif
    info.driver_version = std::to_string(runtime) + " (driver " + std::to_string(driver) + ")";
    info.lanes = static_cast<uint32_t>(properties.warpSize);
    info.clock = "the device's events";
    return info;
}

class HipDevice : public Device {
  public:
    explicit HipDevice(int index) : info_(describe(index)) { check(hipSetDevice(index), "hipSetDevice"); }
    const DeviceInfo& info() const override { return info_; }
    std::unique_ptr<Stream> stream(uint64_t bytes) override { return std::make_unique<HipStream>(bytes); }
    std::unique_ptr<Matvec> matvec(const MatvecJob& job) override { return std::make_unique<HipMatvec>(job); }

  private:
    DeviceInfo info_;
};

std::vector<DeviceInfo> list() {
    int count = 0;
    const hipError_t error = hipGetDeviceCount(&count);
    if (error == hipErrorNoDevice) {
        return {};
    }
    check(error, "hipGetDeviceCount");
    std::vector<DeviceInfo> found;
    for (int i = 0; i < count; ++i) {
        found.push_back(describe(i));
    }
    return found;
}

std::unique_ptr<Device> open(int index) { return std::make_unique<HipDevice>(index); }

}  // namespace
}  // namespace hip

Backend hip_backend() { return {"hip", hip::list, hip::open}; }

}  // namespace probe
