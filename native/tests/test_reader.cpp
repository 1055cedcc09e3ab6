// The header reader: what it reads, and what it refuses at which byte.
#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "bytes.hpp"

using namespace tests;

namespace {

struct Refused {
    gguf::Fault fault;
    std::uint64_t offset;
    std::string message;
};

Refused refusal(const std::string& bytes) {
    try {
        read(bytes);
    } catch (const gguf::Error& error) {
        return {error.fault(), error.offset(), error.what()};
    }
    FAIL("it was accepted");
    return {};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string padding(256, '\0');

/// A number of that is announced, and a header that has it at `offset`.
struct Announced {
    std::string what;
    std::uint64_t offset;
    std::function<std::string(std::uint64_t)> bytes;
};

}  // namespace

TEST_CASE("metadata of every type and tensors of known and unknown types are read") {
    const std::string values[] = {raw(std::uint8_t{1}),
                                  raw(std::int8_t{-1}),
                                  raw(std::uint16_t{2}),
                                  raw(std::int16_t{-2}),
                                  raw(std::uint32_t{3}),
                                  raw(std::int32_t{-3}),
                                  raw(0.5F),
                                  raw(std::uint8_t{1}),
                                  text("qwen35"),
                                  raw(std::uint32_t{8}) + raw(std::uint64_t{2}) + text("a") + text(""),
                                  raw(std::uint64_t{4}),
                                  raw(std::int64_t{-4}),
                                  raw(0.25)};
    std::string bytes = head(3, 14);
    for (std::uint32_t kind = 0; kind < 13; ++kind) {
        bytes += key("k" + std::to_string(kind), kind, values[kind]);
    }
    bytes += key("long", 8, text(std::string(5000, 'x')));
    bytes += info("known", {32, 2}, 100, 0) + info("unknown", {7}, 108, 64) + info("last", {3}, 0, 160);
    const std::uint64_t data = gguf::align_up(bytes.size(), 32);
    bytes.resize(static_cast<std::size_t>(data) + 172);

    const gguf::Header header = read(bytes);
    CHECK(header.version == 3);
    CHECK(header.alignment == 32);
    CHECK(header.data_offset == data);
    CHECK(header.number("k0") == 1);
    CHECK_FALSE(header.number("k1").has_value());
    CHECK(std::get<std::int64_t>(*header.find("k3")) == -2);
    CHECK(header.number("k4") == 3);
    CHECK(std::get<double>(*header.find("k6")) == 0.5);
    CHECK(std::get<bool>(*header.find("k7")));
    CHECK(header.text("k8") == "qwen35");
    CHECK(std::holds_alternative<gguf::Skipped>(*header.find("k9")));
    CHECK(header.number("k10") == 4);
    CHECK(std::get<double>(*header.find("k12")) == 0.25);
    CHECK(std::holds_alternative<gguf::Skipped>(*header.find("long")));
    REQUIRE(header.tensors.size() == 3);
    CHECK(header.tensors[0].weights == 64);
    CHECK(header.tensors[0].bytes == 36);
    CHECK(header.tensors[1].type == nullptr);
    CHECK(header.tensors[1].bytes == 96);
    CHECK(header.tensors[2].bytes == 12);
    CHECK(gguf::expected_size(header) == bytes.size());
}

TEST_CASE("huge counts and lengths are refused where they are announced") {
    const auto array = [](std::uint32_t kind, std::uint64_t count) {
        return head(0, 1) + key("k", 9, raw(kind) + raw(count)) + padding;
    };
    const Announced all[] = {
        {"tensors", 8, [](auto n) { return head(n, 0) + padding; }},
        {"keys", 16, [](auto n) { return head(0, n) + padding; }},
        {"key length", 24, [](auto n) { return head(0, 1) + raw(n) + padding; }},
        {"string", 45, [](auto n) { return head(0, 1) + key("k", 8, raw(n)) + padding; }},
        {"bytes", 49, [&](auto n) { return array(0, n); }},
        {"doubles", 49, [&](auto n) { return array(12, n); }},
        {"strings", 41, [&](auto n) { return array(8, n); }},
        {"name", 24, [](auto n) { return head(1, 0) + raw(n) + padding; }},
        {"shape", 73,
         [](auto n) {
             return head(1, 0) + info("t", {n, n, n}, 0, 0) + padding;
         }},
        {"offset", 49, [](auto n) { return head(1, 0) + info("t", {1}, 0, n / 64 * 64) + padding; }},
    };
    for (const Announced& one : all) {
        for (const std::uint64_t number : {std::uint64_t{1} << 62, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
            CAPTURE(one.what);
            CAPTURE(number);
            CHECK(refusal(one.bytes(number)).offset == one.offset);
        }
    }
}

TEST_CASE("contradictions are named") {
    const auto aligned = [](std::uint32_t kind, const std::string& value) {
        return head(0, 1) + key("general.alignment", kind, value);
    };
    const std::pair<std::string, const char*> all[] = {
        {head(2, 0) + info("a", {32}, 0, 0) + info("b", {32}, 0, 96), "overlap"},
        {head(2, 0) + info("a", {32}, 0, 96) + info("b", {32}, 0, 0), "overlap"},
        {head(2, 0) + info("a", {32}, 999, 0) + info("b", {32}, 999, 0), "overlap"},
        {head(2, 0) + info("a", {32}, 0, 0) + info("a", {32}, 0, 128), "twice"},
        {head(0, 2) + key("a", 0, "x") + key("a", 0, "x"), "twice"},
        {head(1, 0) + info("a", {32}, 0, 5), "aligned"},
        {head(1, 0) + info("a", {33}, 8, 0), "multiple of 32"},
        {head(1, 0) + info("a", {1, 1, 1, 1, 1}, 0, 0), "5 dimensions"},
        {aligned(4, raw(std::uint32_t{48})), "power of two"},
        {aligned(4, raw(std::uint32_t{0})), "power of two"},
        {aligned(10, raw(std::uint64_t{1} << 63)), "power of two"},
        {aligned(8, text("32")), "power of two"},
        {head(0, 1) + key("k", 9, raw(std::uint32_t{9}) + raw(std::uint64_t{1})), "array of arrays"},
        {head(0, 1) + key("k", 13, ""), "unknown metadata type 13"},
        {head(0, 1) + key("\xff\xfe", 0, "x"), "not UTF-8"},
        {"GGUF" + raw(std::uint32_t{1}), "version 1"},
    };
    for (const auto& one : all) {
        const std::string words = one.second;
        CAPTURE(words);
        const Refused refused = refusal(one.first + padding);
        CHECK(refused.fault == gguf::Fault::malformed);
        CHECK(contains(refused.message, words));
    }
}

TEST_CASE("what is no GGUF at all has words of its own") {
    CHECK(refusal(std::string(5000, '\0')).fault == gguf::Fault::zeros);
    CHECK(contains(refusal(std::string(5000, '\0')).message, "interrupted quantise"));
    CHECK(refusal("").fault == gguf::Fault::truncated);
    CHECK(refusal("GG").fault == gguf::Fault::truncated);
    CHECK(refusal("PK\x03\x04" + padding).fault == gguf::Fault::not_gguf);
}

TEST_CASE("every cut of a header is a truncation") {
    const std::string bytes = head(1, 2) + key("general.alignment", 4, raw(std::uint32_t{64})) +
                              key("k", 9, raw(std::uint32_t{8}) + raw(std::uint64_t{1}) + text("abc")) +
                              info("t", {32, 2}, 101, 0);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        CAPTURE(length);
        CHECK(refusal(bytes.substr(0, length)).fault == gguf::Fault::truncated);
    }
    CHECK(read(bytes).alignment == 64);
}

TEST_CASE("names must be UTF-8, as Python sees it") {
    const auto accepted = [](const std::string& name) {
        try {
            return read(head(1, 0) + info(name, {1}, 0, 0) + padding).tensors.size() == 1;
        } catch (const gguf::Error&) {
            return false;
        }
    };
    for (const char* good :
         {"", "a", "\xc3\xa9", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
        CHECK(accepted(good));
    }
    for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x28\xa1", "\xf0\x90\x28\xbc"}) {
        CHECK_FALSE(accepted(bad));
    }
}
