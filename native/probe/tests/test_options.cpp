#include <doctest/doctest.h>

#include <stdexcept>

#include "options.hpp"

TEST_CASE("shapes by name, set and size") {
    CHECK(probe::shapes_of("27b").size() == 9);
    const std::vector<probe::Shape> found = probe::shapes_of("ffn_down,dual:8x256,small");
    REQUIRE(found.size() == 4);
    CHECK(found[0].bytes() == 5120ULL * 17408 / 32 * 17);
    CHECK(found[1].layout == rocmfp4::Layout::dual);
    CHECK(found[1].rows == 8);
    CHECK(found[1].columns == 256);
}

TEST_CASE("what is no shape") {
    for (const char* words :
         {"", "ffn", "fast:8x100", "fast:0x128", "fast:8x0", "q8:8x128", "fast:8x128x1", "fast:999999999x999999936",
          "fast:-8x128", "fast:99999999999x128", "fast", "fast:", "fast:8", "fast:8x", "x", ":"}) {
        CAPTURE(words);
        CHECK_THROWS_AS(probe::shapes_of(words), std::invalid_argument);
    }
}

TEST_CASE("the command line") {
    probe::Options plain = probe::options_of({});
    CHECK_FALSE(plain.settings.peak_gbps);
    complete(plain.settings, false);
    CHECK(plain.settings.shapes.size() == 9);
    CHECK(plain.settings.bytes == 1U << 30U);
    const probe::Options all = probe::options_of({"--device", "cpu", "--index", "0", "--json", "--shapes", "small",
                                                  "--seconds", "0.1", "--mib", "64", "--peak", "100"});
    CHECK(all.device == "cpu");
    CHECK(all.json);
    CHECK(all.settings.bytes == 64U << 20U);
    CHECK(*all.settings.peak_gbps == 100.0);
}

TEST_CASE("a software device gets less to do, but what the user says") {
    probe::Options open = probe::options_of({"--device", "cpu"});
    complete(open.settings, true);
    CHECK(open.settings.shapes.size() == 2);
    CHECK(open.settings.bytes == 64U << 20U);
    probe::Options said = probe::options_of({"--shapes", "output", "--mib", "8"});
    complete(said.settings, true);
    CHECK(said.settings.shapes.size() == 1);
    CHECK(said.settings.bytes == 8U << 20U);
}

TEST_CASE("what is no command line") {
    const std::vector<std::vector<std::string>> wrong = {
        {"--device", "cuda"}, {"--index"},          {"--index", "-1"},   {"--index", "1.5"}, {"--seconds", "1s"},
        {"--seconds", "nan"}, {"--mib", "0"},       {"--mib", "1e99"},   {"--peak", "0"},    {"--fault", "x"},
        {"--bogus"},          {"--bogus", "value"}, {"--shapes", "bad"},
    };
    for (const std::vector<std::string>& words : wrong) {
        CAPTURE(words[0]);
        CHECK_THROWS_AS(probe::options_of(words), std::invalid_argument);
    }
}
