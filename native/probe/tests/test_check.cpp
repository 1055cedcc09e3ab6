#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "measure.hpp"

namespace {

using probe::Number;
using rocmfp4::Layout;

const probe::Shape shape{"any", Layout::fast, 8, 256, 1};

/// A device whose buffers cannot be trusted, for what the check must see.
class BadStream : public probe::Stream {
  public:
    double read(std::uint32_t) override { return 0.1; }
    double copy(std::uint32_t) override { return 0.1; }
    std::uint32_t sum() override { return 0; }
    std::uint32_t sum_of_copy() override { return 0; }
};

class ZeroMatvec : public probe::Matvec {
  public:
    explicit ZeroMatvec(std::uint32_t rows) : rows_(rows) {}
    void write(std::uint32_t, std::uint64_t, const std::uint8_t*, std::uint64_t) override {}
    double run(std::uint32_t) override { return 0.1; }
    std::vector<float> result(std::uint32_t) override { return std::vector<float>(rows_); }
    std::uint32_t depth() const override { return 100; }

  private:
    std::uint32_t rows_;
};

class BadDevice : public probe::Device {
  public:
    const probe::DeviceInfo& info() const override { return info_; }
    std::unique_ptr<probe::Stream> stream(std::uint64_t) override { return std::make_unique<BadStream>(); }
    std::unique_ptr<probe::Matvec> matvec(const probe::MatvecJob& job) override {
        return std::make_unique<ZeroMatvec>(job.shape.rows);
    }

  private:
    probe::DeviceInfo info_;
};

}  // namespace

TEST_CASE("the exact result is right, with no error") {
    const probe::Matrix matrix = probe::random_matrix(shape, 1);
    const probe::Reference wanted = probe::reference(matrix, probe::random_input(256, Number::f16, 2));
    std::vector<float> result(wanted.product.begin(), wanted.product.end());
    const probe::Errors errors = probe::compare(result, wanted, 0, 20);
    CHECK(errors.right);
    CHECK(errors.relative_bound == doctest::Approx(20 * std::ldexp(1.0, -23)));
}

TEST_CASE("what is not a number, or another row's, is wrong") {
    const probe::Matrix matrix = probe::random_matrix(shape, 1);
    const probe::Reference wanted = probe::reference(matrix, probe::random_input(256, Number::f32, 2));
    const std::vector<float> exact(wanted.product.begin(), wanted.product.end());
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 0.0F}) {
        std::vector<float> result = exact;
        result[7] = bad;
        CHECK_FALSE(probe::compare(result, wanted, 0, 20).right);
    }
    CHECK_FALSE(probe::compare(exact, wanted, 1, 20).right);
    probe::Errors sum;
    sum.worst(probe::compare(exact, wanted, 0, 20));
    CHECK(sum.right);
    sum.worst(probe::compare(exact, wanted, 1, 20));
    CHECK_FALSE(sum.right);
}

TEST_CASE("a copy begins with a later row") {
    const probe::Matrix matrix = probe::random_matrix(shape, 1);
    const probe::Reference wanted = probe::reference(matrix, probe::random_input(256, Number::f32, 2));
    std::vector<float> result;
    for (std::size_t i = 0; i < 8; ++i) {
        result.push_back(static_cast<float>(wanted.product[(i + 3) % 8]));
    }
    CHECK(probe::compare(result, wanted, 3, 20).right);
}

TEST_CASE("a device that computes nothing is found out in every measurement") {
    BadDevice device;
    probe::Settings settings;
    settings.shapes = {shape};
    settings.seconds = 0;
    settings.bytes = 1 << 20U;
    const probe::Findings found = probe::measure(device, settings, [](const probe::Findings&) {});
    CHECK_FALSE(found.right());
    CHECK(found.bandwidths.size() == 2);
    for (const probe::Bandwidth& item : found.bandwidths) {
        CHECK_FALSE(item.right);
    }
    CHECK(found.products.size() == 6);
    for (const probe::Product& item : found.products) {
        CHECK_FALSE(item.errors.right);
    }
}

TEST_CASE("a percentage is of a Strix Halo's memory, or of what the user says") {
    probe::DeviceInfo device;
    CHECK_FALSE(probe::peak_of(device, std::nullopt));
    CHECK(probe::peak_of(device, 100.0)->gbps == 100.0);
    device.vendor_id = 0x1002;
    device.device_id = 0x1586;
    CHECK(probe::peak_of(device, std::nullopt)->gbps == 256.0);
    CHECK(probe::peak_of(device, 100.0)->gbps == 100.0);
    device.device_id = 0x744c;
    CHECK_FALSE(probe::peak_of(device, std::nullopt));
    device.architecture = "gfx1151";
    CHECK(probe::peak_of(device, std::nullopt)->gbps == 256.0);
    device.software = true;
    CHECK_FALSE(probe::peak_of(device, std::nullopt));
}

TEST_CASE("the rate of a token's weights counts each shape as often as a token needs it") {
    probe::Findings found;
    CHECK_FALSE(found.weights_gbps());
    probe::Product item;
    item.shape = {"a", Layout::fast, 128, 128, 3};
    item.rate = probe::Rate{10, 10, 3};
    found.products.push_back(item);
    item.shape.per_token = 1;
    item.rate = probe::Rate{30, 30, 3};
    found.products.push_back(item);
    item.shape.per_token = 0;
    item.rate = probe::Rate{1, 1, 3};
    found.products.push_back(item);
    CHECK(*found.weights_gbps() == doctest::Approx(4.0 / (3.0 / 10 + 1.0 / 30)));
}
