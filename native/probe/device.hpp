// What a backend can do. Everything that is checked and counted is the same for all of them (measure.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shapes.hpp"

namespace probe {

/// A device as its driver describes it.
struct DeviceInfo {
    std::string backend;  // "vulkan", "hip" or "cpu"
    int index = 0;
    std::string name;
    std::string type;  // "integrated", "discrete", "virtual", "cpu" or "other"
    std::uint32_t vendor_id = 0;
    std::uint32_t device_id = 0;  // 0: the backend does not tell
    std::string architecture;     // e.g. gfx1151; empty: the backend does not tell
    std::string driver;
    std::string driver_version;
    bool software = false;  // computes on the processor
    std::uint32_t lanes = 1;
    std::string clock;  // what the times are measured with
};

/// What the input vector is stored as.
enum class Number { f32, f16 };

/// "f32" or "f16".
const char* name(Number number);

/// A wrong device for the tests. nibbles: the kernel takes the high nibble for the low one.
enum class Fault { none, nibbles, weights };

/// Word i of a stream's buffer is i * stream_factor + 1, mod 2^32.
constexpr std::uint32_t stream_factor = 2654435769U;

/// A buffer that is read, or copied to another one.
class Stream {
  public:
    virtual ~Stream() = default;
    /// Read the buffer `passes` times; the seconds that it took.
    virtual double read(std::uint32_t passes) = 0;
    /// Copy it `passes` times; the seconds that it took.
    virtual double copy(std::uint32_t passes) = 0;
    /// Sum of all words, mod 2^32, that the last read() found.
    virtual std::uint32_t sum() = 0;
    /// The same of the copy, read again.
    virtual std::uint32_t sum_of_copy() = 0;
};

/// Copies of a matrix, each multiplied with the same vector.
class Matvec {
  public:
    virtual ~Matvec() = default;
    /// Write `size` bytes of copy `copy` at byte `offset`.
    virtual void write(std::uint32_t copy, std::uint64_t offset, const std::uint8_t* data, std::uint64_t size) = 0;
    /// Multiply every copy, one after the other, `passes` times; the seconds that it took.
    virtual double run(std::uint32_t passes) = 0;
    /// The result of one copy: a number for each row.
    virtual std::vector<float> result(std::uint32_t copy) = 0;
    /// The most roundings that any one product of a row goes through until it is in the result; see check.hpp.
    virtual std::uint32_t depth() const = 0;
};

/// What a matrix-vector product is made of. input: bytes of `columns` f32 or f16 numbers.
struct MatvecJob {
    Shape shape;
    Number number;
    std::uint32_t copies;
    std::vector<std::uint8_t> input;
    Fault fault = Fault::none;
};

/// An opened device. What it cannot do it says by throwing std::runtime_error.
class Device {
  public:
    virtual ~Device() = default;
    virtual const DeviceInfo& info() const = 0;
    /// A buffer of `bytes` (a multiple of 4096) with the words of stream_factor, and one of the same size to copy to.
    virtual std::unique_ptr<Stream> stream(std::uint64_t bytes) = 0;
    virtual std::unique_ptr<Matvec> matvec(const MatvecJob& job) = 0;
};

/// One way to reach devices.
struct Backend {
    const char* name;
    std::vector<DeviceInfo> (*list)();
    std::unique_ptr<Device> (*open)(int index);
};

/// The backends of this build, the preferred first.
const std::vector<Backend>& backends();

/// Defined by the backends that are built.
Backend vulkan_backend();
Backend hip_backend();
Backend cpu_backend();

}  // namespace probe
