#include "shapes.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace probe {
namespace {

using rocmfp4::Layout;

// Qwen3.6-27B (qwen35: embedding 5120, feed-forward 17408, vocabulary 248320, 24 heads of 256 with a gate each, 4 KV
// heads, DeltaNet of 6144 inner, 16 groups, state 128) as the preset Q4_0_ROCMFP4_STRIX stores it: 48 DeltaNet layers,
// 16 that attend, and one that attends in the MTP block. The counts are those of a token without drafts.
const std::vector<Shape> model = {
    {"ffn_gate_up", Layout::fast, 17408, 5120, 2 * 64}, {"ffn_down", Layout::fast, 5120, 17408, 64},
    {"attn_qkv", Layout::dual, 10240, 5120, 48},        {"attn_gate", Layout::fast, 6144, 5120, 48},
    {"attn_q", Layout::fast, 12288, 5120, 16},          {"attn_k_v", Layout::dual, 1024, 5120, 2 * 16},
    {"attn_output", Layout::fast, 5120, 6144, 64},  // and ssm_out
    {"output", Layout::fast, 248320, 5120, 1},          {"nextn_eh_proj", Layout::fast, 5120, 10240, 0},
};
const std::vector<Shape> small = {
    {"small_fast", Layout::fast, 515, 640, 1},
    {"small_dual", Layout::dual, 130, 1280, 1},
};

/// Whether it is a number of one to nine digits.
bool is_number(const std::string& words) {
    return !words.empty() && words.size() < 10 && words.find_first_not_of("0123456789") == std::string::npos;
}

Shape custom(const std::string& words) {
    const std::string kind = words.substr(0, words.find(':'));
    const std::string extents = words.substr(std::min(words.size(), kind.size() + 1));
    const std::size_t cross = std::min(extents.size(), extents.find('x'));
    const std::string rows = extents.substr(0, cross);
    const std::string columns = extents.substr(std::min(extents.size(), cross + 1));
    if ((kind != "fast" && kind != "dual") || !is_number(rows) || !is_number(columns)) {
        throw std::invalid_argument("no shape " + words + "; there are " + known_shapes());
    }
    const Shape shape{words, kind == "fast" ? Layout::fast : Layout::dual, static_cast<std::uint32_t>(std::stoul(rows)),
                      static_cast<std::uint32_t>(std::stoul(columns)), 1};
    constexpr std::uint64_t most_bytes = std::uint64_t{1} << 32U;
    if (shape.rows == 0 || shape.columns == 0 || shape.columns % column_step != 0 || shape.bytes() > most_bytes) {
        throw std::invalid_argument("shape " + words + ": wanted at least one row, a multiple of " +
                                    std::to_string(column_step) + " columns, and at most 4 GiB");
    }
    return shape;
}

}  // namespace

const char* name(Layout layout) { return layout == Layout::fast ? "fast" : "dual"; }

std::vector<Shape> shapes_of(const std::string& list) {
    std::vector<Shape> found;
    std::istringstream words(list);
    for (std::string word; std::getline(words, word, ',');) {
        if (word == "27b" || word == "small") {
            const std::vector<Shape>& set = word == "small" ? small : model;
            found.insert(found.end(), set.begin(), set.end());
            continue;
        }
        bool known = false;
        for (const Shape& shape : model) {
            if (shape.name == word) {
                found.push_back(shape);
                known = true;
            }
        }
        if (!known) {
            found.push_back(custom(word));
        }
    }
    if (found.empty()) {
        throw std::invalid_argument("no shape is named; there are " + known_shapes());
    }
    return found;
}

std::string known_shapes() {
    std::string names = "27b, small";
    for (const Shape& shape : model) {
        names += ", " + shape.name;
    }
    return names + ", and fast:ROWSxCOLUMNS or dual:ROWSxCOLUMNS";
}

}  // namespace probe
