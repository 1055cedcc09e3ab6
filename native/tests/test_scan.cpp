// What is looked at in the blocks of each type, and where tensors may lie.
#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "bytes.hpp"
#include "layout.hpp"
#include "scan.hpp"

using namespace tests;
using namespace verify;

namespace {

std::vector<std::uint8_t> bad_bytes(Field field, bool is_nan) {
    const auto bytes = [](auto number) {
        const std::string text = raw(number);
        return std::vector<std::uint8_t>(text.begin(), text.end());
    };
    switch (field) {
        case Field::scale_byte:
            return {static_cast<std::uint8_t>(is_nan ? 0x7f : 0xff)};
        case Field::e8m0:
            return {0xff};
        case Field::f16:
            return bytes(static_cast<std::uint16_t>(is_nan ? 0xfe01 : 0x7c00));
        case Field::bf16:
            return bytes(static_cast<std::uint16_t>(is_nan ? 0x7fc0 : 0xff80));
        case Field::f32:
            return bytes(is_nan ? 0xffc00000U : 0x7f800000U);
        case Field::f64:
            return bytes(is_nan ? 0x7ff8000000000000ULL : 0xfff0000000000000ULL);
    }
    return {};
}

}  // namespace

TEST_CASE("one bad field is found in every type, at every place, and nothing else is taken for one") {
    int types = 0;
    for (std::uint32_t id = 0; id < 256; ++id) {
        const Rule* rule = find_rule(id);
        if (rule == nullptr) {
            continue;
        }
        ++types;
        const gguf::Type* type = gguf::find_type(id);
        REQUIRE(type != nullptr);
        CAPTURE(type->name);
        // More than a group and more than a piece of blocks, and all other bytes as large as they may be.
        const std::size_t blocks = 256 * 1024 / type->bytes + 3000;
        std::vector<std::uint8_t> good(blocks * type->bytes, 0xff);
        for (std::size_t block = 0; block < blocks; ++block) {
            for (const Place& place : rule->places) {
                const std::size_t width = bad_bytes(place.field, true).size();
                REQUIRE(place.offset + width <= type->bytes);
                std::memset(good.data() + block * type->bytes + place.offset, 0x3a, width);
            }
        }
        CHECK(scan(*rule, *type, good.data(), blocks).count == 0);
        for (const Place& place : rule->places) {
            for (const std::size_t block : {std::size_t{0}, blocks / 2, blocks - 1}) {
                for (const bool is_nan : {true, false}) {
                    std::vector<std::uint8_t> bytes = good;
                    const std::vector<std::uint8_t> bad = bad_bytes(place.field, is_nan);
                    std::memcpy(bytes.data() + block * type->bytes + place.offset, bad.data(), bad.size());
                    const Found found = scan(*rule, *type, bytes.data(), blocks);
                    CHECK(found.count == 1);
                    CHECK(found.first == block);
                    CHECK(found.place == place.offset);
                    if (place.field != Field::scale_byte && place.field != Field::e8m0) {
                        CHECK(std::string(found.what) == (is_nan ? "NaN" : "infinity"));
                    }
                }
            }
        }
        const std::vector<std::uint8_t> all(blocks * type->bytes, 0xff);
        CHECK(scan(*rule, *type, all.data(), blocks).count == blocks * rule->places.size());
    }
    CHECK(types == 32);
}

TEST_CASE("bad blocks everywhere are counted, by scale byte, and the first is named") {
    for (const std::uint32_t id : {100U, 101U}) {
        const gguf::Type& type = *gguf::find_type(id);
        const Rule& rule = *find_rule(id);
        const std::size_t blocks = 40000;
        std::vector<std::uint8_t> bytes(blocks * type.bytes);
        std::uint64_t bad = 0;
        for (std::size_t block = 1; block < blocks; ++block) {
            for (const Place& place : rule.places) {
                const bool is_bad = block % 3 == 1 && (place.offset == 16 || block % 2 == 0);
                bytes[block * type.bytes + place.offset] = is_bad ? 0x7f : 0x7e;
                bad += is_bad ? 1 : 0;
            }
        }
        const Found found = scan(rule, type, bytes.data(), blocks);
        CHECK(found.count == bad);
        CHECK(found.first == 1);
        CHECK(found.place == 16);
    }
}

TEST_CASE("types without a rule say why") {
    CHECK(std::string(why_unchecked(108)).find("unknown") != std::string::npos);
    CHECK(std::string(why_unchecked(26)).find("integer") != std::string::npos);
    CHECK(std::string(why_unchecked(105)) == "not validated");
}

TEST_CASE("gaps, wrong order and cut files are problems; bytes at the end are a note") {
    const auto file = [](const std::string& infos, std::uint64_t count, std::uint64_t data) {
        std::string bytes = head(count, 0) + infos;
        bytes.resize(static_cast<std::size_t>(gguf::align_up(bytes.size(), 32) + data));
        return bytes;
    };
    const std::string good = file(info("a", {5}, 0, 0) + info("b", {8}, 0, 32), 2, 64);
    CHECK(layout_problems(read(good), good.size()).empty());
    CHECK(layout_notes(read(good), good.size()).empty());

    CHECK(layout_problems(read(good), good.size() - 1).size() == 1);
    CHECK(layout_problems(read(good), good.size() - 1)[0].tensor == "b");
    CHECK_FALSE(is_within(read(good), read(good).tensors[1], good.size() - 1));
    CHECK(is_within(read(good), read(good).tensors[0], good.size() - 1));
    CHECK(layout_notes(read(good), good.size() + 1).size() == 1);

    const std::string gap = file(info("a", {5}, 0, 0) + info("b", {8}, 0, 64), 2, 96);
    REQUIRE(layout_problems(read(gap), gap.size()).size() == 1);
    CHECK(layout_problems(read(gap), gap.size())[0].byte == read(gap).data_offset + 64);

    const std::string order = file(info("b", {8}, 0, 32) + info("a", {5}, 0, 0), 2, 64);
    CHECK(layout_problems(read(order), order.size()).size() == 2);

    const std::string unknown = file(info("a", {5}, 0, 0) + info("b", {8}, 108, 32), 2, 64);
    CHECK(layout_problems(read(unknown), unknown.size()).empty());
    CHECK(layout_notes(read(unknown), unknown.size()).size() == 1);
    CHECK(totals_of(read(unknown))[0].type == "unknown-108");

    // Three tensors of 2^63 - 1 weights each, as only an unknown type can claim: the sum does not begin anew at 0.
    const std::uint64_t most = (std::uint64_t{1} << 63U) - 1;
    const std::string claim =
        file(info("a", {most}, 107, 0) + info("b", {most}, 107, 32) + info("c", {most}, 108, 64), 3, 96);
    CHECK(totals_of(read(claim))[0].weights == 2 * most);
    CHECK(sum_of(totals_of(read(claim))).weights == std::numeric_limits<std::uint64_t>::max());
}
