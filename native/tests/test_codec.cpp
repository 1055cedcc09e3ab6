// The ROCmFP4 codec: known vectors bit for bit, all kernels alike, the quantiser against a scan of all scales.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "rocmfp4/codec.hpp"

using namespace rocmfp4;

namespace {

/// Whole numbers below `limit`.
unsigned below(std::mt19937& random, unsigned limit) { return static_cast<unsigned>(random() % limit); }

constexpr Layout layouts[] = {Layout::dual, Layout::fast};
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
using Block = std::array<float, block_weights>;

std::vector<Kernel> kernels() {
    std::vector<Kernel> all;
    for (const Kernel kernel : {Kernel::scalar, Kernel::avx2, Kernel::avx512}) {
        if (available(kernel)) {
            all.push_back(kernel);
        }
    }
    return all;
}

std::string hex(const std::vector<std::uint8_t>& bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

std::vector<std::uint8_t> from_hex(const std::string& text) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

std::uint32_t bits(float number) {
    std::uint32_t result = 0;
    std::memcpy(&result, &number, sizeof result);
    return result;
}

std::vector<float> decoded(Layout layout, const std::vector<std::uint8_t>& bytes, Kernel kernel = Kernel::scalar) {
    std::vector<float> out(bytes.size() / block_bytes(layout) * block_weights);
    dequantise(layout, bytes.data(), bytes.size() / block_bytes(layout), out.data(), kernel);
    return out;
}

std::vector<std::uint8_t> encoded(Layout layout, const std::vector<float>& row, const float* importance = nullptr,
                                  Kernel kernel = Kernel::scalar) {
    std::vector<std::uint8_t> out(row.size() / block_weights * block_bytes(layout));
    quantise(layout, row.data(), row.size(), importance, out.data(), kernel);
    return out;
}

// The codes of all vectors of dequantised blocks: 0 to 15 in the low nibbles, 15 to 0 in the high ones.
const std::string all_codes = "f0e1d2c3b4a5968778695a4b3c2d1e0f";

/// The weights of those codes under two scales.
std::vector<float> all_weights(float low, float high) {
    const std::array<float, 16> units = {0, 1, 2, 3, 4, 6, 8, 10, 0, -1, -2, -3, -4, -6, -8, -10};
    std::vector<float> out(block_weights);
    for (std::size_t j = 0; j < 16; ++j) {
        out[j] = units[j] * low;
        out[j + 16] = units[15 - j] * high;
    }
    return out;
}

struct Vector {
    Layout layout;
    const char* scale_bytes;
    float low;
    float high;
    bool valid;
};

}  // namespace

TEST_CASE("known blocks are dequantised bit for bit") {
    const Vector vectors[] = {
        {Layout::dual, "3840", 0.5F, 1.0F, true},
        {Layout::dual, "017e", 0.0009765625F, 224.0F, true},
        {Layout::dual, "0008", 0.0F, 0.0078125F, true},
        {Layout::dual, "7fff", 0.0F, 0.0F, false},
        {Layout::fast, "38", 0.5F, 0.5F, true},
        {Layout::fast, "2b", 0.171875F, 0.171875F, true},
        {Layout::fast, "07", 0.0068359375F, 0.0068359375F, true},
        {Layout::fast, "80", 0.0F, 0.0F, false},
    };
    for (const Vector& vector : vectors) {
        CAPTURE(vector.scale_bytes);
        const std::vector<std::uint8_t> bytes = from_hex(all_codes + vector.scale_bytes);
        const std::vector<float> wanted = all_weights(vector.low, vector.high);
        for (const Kernel kernel : kernels()) {
            CAPTURE(name(kernel));
            const std::vector<float> found = decoded(vector.layout, bytes, kernel);
            for (std::size_t i = 0; i < wanted.size(); ++i) {
                CHECK(bits(found[i]) == bits(wanted[i]));
            }
        }
        CHECK(first_invalid(vector.layout, bytes.data(), 1).has_value() != vector.valid);
    }
}

TEST_CASE("known rows are quantised bit for bit") {
    std::vector<float> ramp(32);
    for (std::size_t i = 0; i < ramp.size(); ++i) {
        ramp[i] = (static_cast<float>(37 * i % 64) - 32.0F) / 40.0F;
    }
    std::vector<float> outlier(32, 0.5F);
    outlier[0] = 1e6F;
    std::vector<float> with_nan(32, 0.5F);
    with_nan[0] = not_a_number;
    with_nan[1] = 1.0F;
    std::vector<float> with_infinity = with_nan;
    with_infinity[0] = infinity;
    for (const Kernel kernel : kernels()) {
        CAPTURE(name(kernel));
        const auto dual = [&](const std::vector<float>& row) {
            return hex(encoded(Layout::dual, row, nullptr, kernel));
        };
        const auto fast = [&](const std::vector<float>& row) {
            return hex(encoded(Layout::fast, row, nullptr, kernel));
        };
        CHECK(dual(ramp) == "df52ae751ce649cf639df52bd750bf642122");
        CHECK(fast(ramp) == "df52ae741ce649cf639df52bd650be6422");
        CHECK(dual(std::vector<float>(32, 0.1F)) == "666666666666666666666666666666660d0d");
        CHECK(fast(std::vector<float>(32, 0.1F)) == "666666666666666666666666666666660d");
        CHECK(dual(outlier) == "676060606060606060606060606060607e20");
        CHECK(fast(outlier) == "070000000000000000000000000000007e");
        CHECK(dual(with_nan) == "606060606060606060606060606060600020");
        CHECK(dual(with_infinity) == "606060606060606060606060606060600020");
    }
}

TEST_CASE("scales rise with their bytes, and end where the format says") {
    CHECK(scale(0x00) == 0.0F);
    CHECK(scale(0x01) == 0.0009765625F);
    CHECK(scale(0x38) == 0.5F);
    CHECK(scale(0x40) == 1.0F);
    CHECK(scale(0x7e) == 224.0F);
    for (unsigned byte = 1; byte < 256; ++byte) {
        CAPTURE(byte);
        const float here = scale(static_cast<std::uint8_t>(byte));
        if (byte <= max_scale_byte) {
            CHECK(here > scale(static_cast<std::uint8_t>(byte - 1)));
        } else {
            CHECK(bits(here) == 0);
        }
    }
}

TEST_CASE("all kernels dequantise every byte value alike") {
    std::mt19937 random(1);
    for (const Layout layout : layouts) {
        std::vector<std::uint8_t> bytes;
        for (unsigned scale_byte = 0; scale_byte < 256; ++scale_byte) {
            for (unsigned code = 0; code < 256; code += 16) {
                for (unsigned j = 0; j < code_bytes; ++j) {
                    bytes.push_back(static_cast<std::uint8_t>(code + j));
                }
                for (std::size_t s = 0; s < scale_bytes(layout); ++s) {
                    bytes.push_back(static_cast<std::uint8_t>(s == 0 ? scale_byte : random() & 255));
                }
            }
        }
        const std::vector<float> wanted = decoded(layout, bytes);
        for (const Kernel kernel : kernels()) {
            CAPTURE(name(kernel));
            const std::vector<float> found = decoded(layout, bytes, kernel);
            CHECK(std::memcmp(found.data(), wanted.data(), wanted.size() * sizeof(float)) == 0);
        }
    }
}

namespace {

/// Rows of many kinds: usual weights, tiny and huge ones, exact middles between two values, zeros, what is not finite.
std::vector<float> some_row(std::mt19937& random, std::size_t weights) {
    std::vector<float> row(weights);
    const float spread = std::exp2(static_cast<float>(static_cast<int>(below(random, 30)) - 18));
    std::normal_distribution<float> normal(0.0F, spread);
    const unsigned kind = below(random, 6);
    for (float& weight : row) {
        weight = normal(random);
        if (kind == 0) {
            weight = static_cast<float>(static_cast<int>(below(random, 41)) - 20) / 2.0F *
                     scale(static_cast<std::uint8_t>(below(random, 3) + 0x30));
        } else if (kind == 1 && below(random, 8) == 0) {
            const float odd[] = {not_a_number, infinity, -infinity, 0.0F, -0.0F, 1e-45F, 3e38F, -1e20F};
            weight = odd[below(random, 8)];
        } else if (kind == 2) {
            weight = below(random, 16) == 0 ? weight * 1000.0F : 0.0F;
        } else if (kind == 3) {
            // Any bit pattern.
            const std::uint32_t pattern = static_cast<std::uint32_t>(random());
            std::memcpy(&weight, &pattern, sizeof weight);
        }
    }
    return row;
}

std::vector<float> some_importance(std::mt19937& random, std::size_t weights) {
    std::vector<float> all(weights);
    std::exponential_distribution<float> usual(1.0F);
    for (float& one : all) {
        const float odd[] = {0.0F, -1.0F, not_a_number, infinity, 1e30F, 1e-30F};
        one = below(random, 10) == 0 ? odd[below(random, 6)] : usual(random);
    }
    return all;
}

/// The definition, written out: all scale bytes, no early end, the value nearest by its own thresholds.
std::uint8_t scanned(const float* group, const std::vector<float>& weights, std::size_t count) {
    static const float thresholds[] = {0.5F, 1.5F, 2.5F, 3.5F, 5.0F, 7.0F, 9.0F};
    static const float units[] = {0, 1, 2, 3, 4, 6, 8, 10};
    bool any = false;
    for (std::size_t i = 0; i < count; ++i) {
        if (!std::isfinite(group[i])) {
            return 0;
        }
        any = any || group[i] != 0.0F;
    }
    if (!any) {
        return 0;
    }
    int best = 1;
    float least = infinity;
    for (int byte = 1; byte <= 126; ++byte) {
        const float step = scale(static_cast<std::uint8_t>(byte));
        float sum = 0.0F;
        for (std::size_t i = 0; i < count; ++i) {
            const float a = std::fabs(group[i] * (1.0F / step));
            std::size_t m = 0;
            while (m < 7 && a > thresholds[m]) {
                ++m;
            }
            const float error = group[i] - (group[i] < 0 ? -units[m] : units[m]) * step;
            sum += weights[i] * error * error;
        }
        if (sum < least) {
            least = sum;
            best = byte;
        }
    }
    return static_cast<std::uint8_t>(best);
}

}  // namespace

TEST_CASE("the quantiser finds what a scan of all scales finds, and all kernels agree") {
    std::mt19937 random(2);
    for (int round = 0; round < 400; ++round) {
        const std::size_t weights = 64;
        const std::vector<float> row = some_row(random, weights);
        const std::vector<float> importance = some_importance(random, weights);
        float squares = 0.0F;
        for (const float weight : row) {
            squares += weight * weight;
        }
        for (const bool weighted : {false, true}) {
            std::vector<float> factors(weights, 1.0F);
            for (std::size_t i = 0; weighted && i < weights; ++i) {
                const bool counts = importance[i] > 0.0F && std::isfinite(importance[i]);
                factors[i] = counts ? importance[i] * std::sqrt(squares / 64.0F + row[i] * row[i]) : 0.0F;
            }
            for (const Layout layout : layouts) {
                CAPTURE(round);
                const std::vector<std::uint8_t> bytes = encoded(layout, row, weighted ? importance.data() : nullptr);
                CHECK_FALSE(first_invalid(layout, bytes.data(), 2).has_value());
                const std::size_t count = block_weights / scale_bytes(layout);
                for (std::size_t group = 0; group < weights / count; ++group) {
                    const std::size_t at = group / scale_bytes(layout) * block_bytes(layout) + code_bytes;
                    const std::vector<float> here(factors.begin() + static_cast<std::ptrdiff_t>(group * count),
                                                  factors.end());
                    CHECK(bytes[at + group % scale_bytes(layout)] == scanned(row.data() + group * count, here, count));
                }
                for (const Kernel kernel : kernels()) {
                    CAPTURE(name(kernel));
                    CHECK(hex(encoded(layout, row, weighted ? importance.data() : nullptr, kernel)) == hex(bytes));
                }
            }
        }
    }
}

TEST_CASE("what a block holds exactly comes back from quantising it") {
    std::mt19937 random(3);
    for (int round = 0; round < 300; ++round) {
        for (const Layout layout : layouts) {
            std::vector<std::uint8_t> bytes(4 * block_bytes(layout));
            for (std::size_t i = 0; i < bytes.size(); ++i) {
                const bool is_scale = i % block_bytes(layout) >= code_bytes;
                bytes[i] = static_cast<std::uint8_t>(below(random, (is_scale ? max_scale_byte + 1U : 256U)));
            }
            const std::vector<float> weights = decoded(layout, bytes);
            const std::vector<float> again = decoded(layout, encoded(layout, weights, nullptr, best_kernel()));
            CHECK(weights == again);  // 0 equals -0
        }
    }
}

TEST_CASE("the validator names the first block with a bad scale byte, wherever it is") {
    for (const Layout layout : layouts) {
        const std::size_t blocks = 16 * 64 + 70;  // more than one step of groups, and a rest
        std::vector<std::uint8_t> bytes(blocks * block_bytes(layout), 0xff);
        for (std::size_t block = 0; block < blocks; ++block) {
            std::memset(bytes.data() + block * block_bytes(layout) + code_bytes, max_scale_byte, scale_bytes(layout));
        }
        for (const Kernel kernel : kernels()) {
            CAPTURE(name(kernel));
            CHECK_FALSE(first_invalid(layout, bytes.data(), blocks, kernel).has_value());
            CHECK_FALSE(first_invalid(layout, bytes.data(), 0, kernel).has_value());
            std::vector<std::uint8_t> damaged = bytes;
            for (std::size_t block = blocks; block-- > 0;) {
                for (std::size_t s = scale_bytes(layout); s-- > 0;) {
                    std::uint8_t& byte = damaged[block * block_bytes(layout) + code_bytes + s];
                    byte = s == 0 ? 0x7f : 0xff;
                    CHECK(first_invalid(layout, damaged.data(), blocks, kernel) == block);
                    byte = max_scale_byte;
                }
            }
        }
    }
}
