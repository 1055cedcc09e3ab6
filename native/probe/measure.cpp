#include "measure.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

namespace probe {
namespace {

// A run is long against the time to start it, and short against the two seconds after which some kernels take a job
// for hung (amdgpu.lockup_timeout).
constexpr double run_seconds = 0.05;
constexpr std::uint32_t most_passes = 4096;
constexpr std::uint32_t least_samples = 3;
constexpr std::uint32_t most_copies = 1024;  // two allocations each, and a device need not allow more than 4096
constexpr std::uint32_t row_shift = 7;       // copy n of a matrix begins with its row 7n: the copies differ

/// Run(passes) again and again for so many seconds. Its first run, which finds cold caches and clocks, does not count.
template <typename Run>
Rate sample(double seconds, std::uint64_t bytes, const Run& run) {
    const double long_enough = std::min(run_seconds, seconds);
    std::uint32_t passes = 1;
    for (double took = run(passes); took < long_enough && passes < most_passes; took = run(passes)) {
        const double wanted = took > 0 ? static_cast<double>(passes) * long_enough / took * 1.2 : most_passes;
        passes = static_cast<std::uint32_t>(std::clamp(wanted, passes * 2.0, static_cast<double>(most_passes)));
    }
    std::vector<double> rates;
    double spent = 0;
    while (spent < seconds || rates.size() < least_samples) {
        const double took = run(passes);
        if (!(took > 0)) {
            throw std::runtime_error("the device's clock does not advance");
        }
        spent += took;
        rates.push_back(static_cast<double>(bytes) * passes / took / 1e9);
    }
    std::sort(rates.begin(), rates.end());
    return Rate{rates[rates.size() / 2], rates.back(), static_cast<std::uint32_t>(rates.size())};
}

std::uint32_t expected_sum(std::uint64_t bytes) {
    const std::uint64_t words = bytes / 4;
    // Sum of i * factor + 1 over all words; the product of two neighbours is even before it is halved.
    const std::uint64_t pairs = words % 2 == 0 ? words / 2 * (words - 1) : (words - 1) / 2 * words;
    return static_cast<std::uint32_t>(pairs * stream_factor + words);
}

void bandwidths(Device& device, const Settings& settings, Findings& findings,
                const std::function<void(const Findings&)>& tell) {
    const std::uint64_t bytes = settings.bytes / 4096 * 4096;
    const std::unique_ptr<Stream> stream = device.stream(bytes);
    const std::uint32_t expected = expected_sum(bytes);
    Bandwidth read{"read", bytes, {}, false};
    read.rate = sample(settings.seconds, read.bytes, [&](std::uint32_t passes) { return stream->read(passes); });
    read.right = stream->sum() == expected;
    findings.bandwidths.push_back(read);
    tell(findings);
    Bandwidth copy{"copy", 2 * bytes, {}, false};
    copy.rate = sample(settings.seconds, copy.bytes, [&](std::uint32_t passes) { return stream->copy(passes); });
    copy.right = stream->sum_of_copy() == expected;
    findings.bandwidths.push_back(copy);
    tell(findings);
}

/// Write copy n of a matrix: its rows, beginning with row 7n and going round.
void write_copy(Matvec& matvec, std::uint32_t copy, std::uint32_t shift, const std::vector<std::uint8_t>& data,
                const Shape& shape) {
    const std::uint64_t front = data.size() / shape.rows * shift;
    matvec.write(copy, 0, data.data() + front, data.size() - front);
    if (front > 0) {
        matvec.write(copy, data.size() - front, data.data(), front);
    }
}

Product product(Device& device, const Settings& settings, const Matrix& matrix, Number number, bool timed) {
    const Shape& shape = matrix.shape;
    const std::uint64_t size = matrix.data.size();
    const auto copies = static_cast<std::uint32_t>(
        timed ? std::clamp<std::uint64_t>((settings.bytes + size - 1) / size, 1, most_copies) : 1);
    const Input input = random_input(shape.columns, number, 2);
    const Reference wanted = reference(matrix, input);
    const std::unique_ptr<Matvec> matvec = device.matvec(MatvecJob{shape, number, copies, input.bytes, settings.fault});
    std::vector<std::uint32_t> shifts;
    for (std::uint32_t copy = 0; copy < copies; ++copy) {
        shifts.push_back(static_cast<std::uint32_t>(std::uint64_t{copy} * row_shift % shape.rows));
        write_copy(*matvec, copy, shifts.back(), matrix.data, shape);
    }
    if (settings.fault == Fault::weights) {
        std::vector<std::uint8_t> spoilt(matrix.data);
        spoil(spoilt);
        write_copy(*matvec, 0, 0, spoilt, shape);
    }
    Product found{shape, number, copies, std::nullopt, {}};
    const auto check = [&] {
        for (std::uint32_t copy = 0; copy < copies; ++copy) {
            found.errors.worst(compare(matvec->result(copy), wanted, shifts[copy], matvec->depth()));
        }
    };
    matvec->run(1);
    check();
    if (timed) {
        found.rate = sample(settings.seconds, size * copies, [&](std::uint32_t passes) { return matvec->run(passes); });
        check();  // and after the device was hot
    }
    return found;
}

}  // namespace

bool Findings::right() const {
    const auto is_right = [](const auto& item) { return item.right; };
    return std::all_of(bandwidths.begin(), bandwidths.end(), is_right) &&
           std::all_of(products.begin(), products.end(), [](const Product& item) { return item.errors.right; });
}

double Findings::gbps(const std::string& name) const {
    for (const Bandwidth& item : bandwidths) {
        if (item.name == name) {
            return item.rate.gbps;
        }
    }
    return 0;
}

std::optional<double> Findings::weights_gbps() const {
    double bytes = 0;
    double nanoseconds = 0;
    for (const Product& item : products) {
        if (item.rate) {
            const double moved = static_cast<double>(item.shape.bytes()) * item.shape.per_token;
            bytes += moved;
            nanoseconds += moved / item.rate->gbps;
        }
    }
    return nanoseconds > 0 ? std::optional<double>(bytes / nanoseconds) : std::nullopt;
}

std::optional<Peak> peak_of(const DeviceInfo& device, std::optional<double> said) {
    if (said) {
        return Peak{*said, "--peak"};
    }
    const bool strix_halo =
        device.vendor_id == 0x1002 && (device.device_id == 0x1586 || device.architecture == "gfx1151");
    if (strix_halo && !device.software) {
        return Peak{256.0, "LPDDR5X-8000, 256 bit"};  // 8000e6 transfers/s * 32 bytes
    }
    return std::nullopt;
}

Findings measure(Device& device, const Settings& settings, const std::function<void(const Findings&)>& tell) {
    Findings findings;
    findings.device = device.info();
    findings.peak = peak_of(findings.device, settings.peak_gbps);
    utsname names{};
    if (uname(&names) == 0) {
        findings.kernel_release = names.release;
    }
    tell(findings);
    const auto add = [&](Product found) {
        findings.products.push_back(std::move(found));
        tell(findings);
    };
    for (const rocmfp4::Layout layout : {rocmfp4::Layout::fast, rocmfp4::Layout::dual}) {
        const Matrix matrix = scale_matrix(layout);
        for (const Number number : {Number::f32, Number::f16}) {
            add(product(device, settings, matrix, number, false));
        }
    }
    bandwidths(device, settings, findings, tell);
    for (const Shape& shape : settings.shapes) {
        const Matrix matrix = random_matrix(shape, shape.rows);
        for (const Number number : {Number::f32, Number::f16}) {
            add(product(device, settings, matrix, number, true));
        }
    }
    return findings;
}

}  // namespace probe
