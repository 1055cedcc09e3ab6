// The processor as a device: for comparison, and for machines without any other.
#include <chrono>
#include <cstring>
#include <fstream>
#include <numeric>
#include <stdexcept>

#include "device.hpp"
#include "kernel_math.h"
#include "parallel.hpp"

namespace probe {
namespace {

constexpr std::size_t partial_sums = 16;  // a row's, which a compiler can keep in registers

double seconds_of(const std::chrono::steady_clock::time_point& start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

DeviceInfo describe() {
    DeviceInfo info;
    info.backend = "cpu";
    info.name = "processor";
    std::ifstream lines("/proc/cpuinfo");
    for (std::string line; std::getline(lines, line);) {
        const std::size_t colon = line.find(": ");
        if (line.rfind("model name", 0) == 0 && colon != std::string::npos) {
            info.name = line.substr(colon + 2);
            break;
        }
    }
    info.type = "cpu";
    info.driver = "rocmfp4";
    info.driver_version = rocmfp4::name(rocmfp4::best_kernel());
    info.software = true;
    info.lanes = static_cast<std::uint32_t>(threads());
    info.clock = "wall clock";
    return info;
}

class CpuStream : public Stream {
  public:
    explicit CpuStream(std::uint64_t bytes) : from_(bytes / 4), to_(bytes / 4) {
        parallel(from_.size(), [this](std::size_t first, std::size_t last, std::size_t) {
            for (std::size_t i = first; i < last; ++i) {
                from_[i] = static_cast<std::uint32_t>(i) * stream_factor + 1;
            }
        });
    }
    double read(std::uint32_t passes) override {
        const auto start = std::chrono::steady_clock::now();
        for (std::uint32_t pass = 0; pass < passes; ++pass) {
            sum_ = sum_of(from_);
        }
        return seconds_of(start);
    }
    double copy(std::uint32_t passes) override {
        const auto start = std::chrono::steady_clock::now();
        for (std::uint32_t pass = 0; pass < passes; ++pass) {
            parallel(from_.size(), [this](std::size_t first, std::size_t last, std::size_t) {
                std::memcpy(to_.data() + first, from_.data() + first, (last - first) * sizeof(std::uint32_t));
            });
        }
        return seconds_of(start);
    }
    std::uint32_t sum() override { return sum_; }
    std::uint32_t sum_of_copy() override { return sum_of(to_); }

  private:
    static std::uint32_t sum_of(const std::vector<std::uint32_t>& words) {
        std::vector<std::uint32_t> sums(threads());
        parallel(words.size(), [&](std::size_t first, std::size_t last, std::size_t part) {
            sums[part] = std::accumulate(words.data() + first, words.data() + last, 0U);
        });
        return std::accumulate(sums.begin(), sums.end(), 0U);
    }

    std::vector<std::uint32_t> from_;
    std::vector<std::uint32_t> to_;
    std::uint32_t sum_ = 0;
};

class CpuMatvec : public Matvec {
  public:
    explicit CpuMatvec(const MatvecJob& job)
        : shape_(job.shape), input_(job.shape.columns), matrices_(job.copies), results_(job.copies) {
        if (job.fault == Fault::nibbles) {
            throw std::runtime_error("the cpu has no kernel with wrong nibbles");
        }
        for (std::size_t i = 0; i < input_.size(); ++i) {
            if (job.number == Number::f32) {
                std::memcpy(&input_[i], job.input.data() + 4 * i, 4);
            } else {
                std::uint16_t half = 0;
                std::memcpy(&half, job.input.data() + 2 * i, 2);
                input_[i] = half_value(half);
            }
        }
        for (std::size_t copy = 0; copy < matrices_.size(); ++copy) {
            matrices_[copy].resize(shape_.bytes());
            results_[copy].resize(shape_.rows);
        }
    }
    void write(std::uint32_t copy, std::uint64_t offset, const std::uint8_t* data, std::uint64_t size) override {
        std::memcpy(matrices_.at(copy).data() + offset, data, size);
    }
    double run(std::uint32_t passes) override {
        const auto start = std::chrono::steady_clock::now();
        for (std::uint32_t pass = 0; pass < passes; ++pass) {
            for (std::size_t copy = 0; copy < matrices_.size(); ++copy) {
                multiply(matrices_[copy], results_[copy]);
            }
        }
        return seconds_of(start);
    }
    std::vector<float> result(std::uint32_t copy) override { return results_.at(copy); }
    std::uint32_t depth() const override {
        // The product, the sums of one lane, and the lanes one after the other.
        return static_cast<std::uint32_t>(1 + shape_.columns / partial_sums + partial_sums);
    }

  private:
    void multiply(const std::vector<std::uint8_t>& matrix, std::vector<float>& result) const {
        const std::size_t blocks = shape_.columns / rocmfp4::block_weights;
        const std::size_t row_bytes = blocks * rocmfp4::block_bytes(shape_.layout);
        parallel(shape_.rows, [&](std::size_t first, std::size_t last, std::size_t) {
            std::vector<float> weights(shape_.columns);
            for (std::size_t row = first; row < last; ++row) {
                rocmfp4::dequantise(shape_.layout, matrix.data() + row * row_bytes, blocks, weights.data());
                float sums[partial_sums] = {};
                for (std::size_t i = 0; i < weights.size(); i += partial_sums) {
                    for (std::size_t lane = 0; lane < partial_sums; ++lane) {
                        sums[lane] += weights[i + lane] * input_[i + lane];
                    }
                }
                result[row] = std::accumulate(sums, sums + partial_sums, 0.0F);
            }
        });
    }

    Shape shape_;
    std::vector<float> input_;
    std::vector<std::vector<std::uint8_t>> matrices_;
    std::vector<std::vector<float>> results_;
};

class CpuDevice : public Device {
  public:
    const DeviceInfo& info() const override { return info_; }
    std::unique_ptr<Stream> stream(std::uint64_t bytes) override { return std::make_unique<CpuStream>(bytes); }
    std::unique_ptr<Matvec> matvec(const MatvecJob& job) override { return std::make_unique<CpuMatvec>(job); }

  private:
    DeviceInfo info_ = describe();
};

std::vector<DeviceInfo> list() { return {describe()}; }

std::unique_ptr<Device> open(int index) {
    if (index != 0) {
        throw std::runtime_error("the cpu is one device, 0");
    }
    return std::make_unique<CpuDevice>();
}

}  // namespace

Backend cpu_backend() { return {"cpu", list, open}; }

}  // namespace probe
