// Measuring a device, the same way for every backend.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "check.hpp"

namespace probe {

/// Bytes per nanosecond, i.e. 10^9 bytes a second: the median of `samples` runs, and the best.
struct Rate {
    double gbps = 0;
    double best = 0;
    std::uint32_t samples = 0;
};

/// One measurement of the memory. right: what was read is what was written.
struct Bandwidth {
    std::string name;         // "read" or "copy"
    std::uint64_t bytes = 0;  // moved in one pass
    Rate rate;
    bool right = false;
};

/// One matrix with one kind of input.
struct Product {
    Shape shape;
    Number number = Number::f32;
    std::uint32_t copies = 1;
    std::optional<Rate> rate;  // nothing: only checked
    Errors errors;
};

/// A rate that a percentage refers to, and where it comes from.
struct Peak {
    double gbps;
    std::string source;
};

/// All that was found of a device.
struct Findings {
    DeviceInfo device;
    std::string kernel_release;
    std::optional<Peak> peak;
    std::vector<Bandwidth> bandwidths;
    std::vector<Product> products;

    /// Whether everything that was computed is right.
    bool right() const;
    /// Rate of the bandwidth `name`.
    double gbps(const std::string& name) const;
    /// Rate at which the weights of one token are read, of the measured shapes in their numbers; nothing if none
    /// counts.
    std::optional<double> weights_gbps() const;
};

/// What to measure.
struct Settings {
    std::vector<Shape> shapes;
    double seconds = 0.5;                           // of each measurement
    std::uint64_t bytes = std::uint64_t{1} << 30U;  // of a buffer, and of all copies of a matrix together
    std::optional<double> peak_gbps;
    Fault fault = Fault::none;
};

/// Measure everything; `tell` is called with each result as it comes.
Findings measure(Device& device, const Settings& settings, const std::function<void(const Findings&)>& tell);

/// The peak of the device's memory: what the user says, or what is known of this device, or nothing.
std::optional<Peak> peak_of(const DeviceInfo& device, std::optional<double> said);

}  // namespace probe
