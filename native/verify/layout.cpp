#include "layout.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

namespace verify {
namespace {

std::uint64_t saturated(std::uint64_t a, std::uint64_t b) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    return a > most - b ? most : a + b;
}

}  // namespace

const char* name(Verdict verdict) {
    switch (verdict) {
        case Verdict::good:
            return "good";
        case Verdict::bad:
            return "bad";
        case Verdict::unreadable:
            return "unreadable";
    }
    return "unreadable";
}

std::string type_name(const gguf::Tensor& tensor) {
    return tensor.type != nullptr ? tensor.type->name : "unknown-" + std::to_string(tensor.type_id);
}

double bits_per_weight(std::uint64_t bytes, std::uint64_t weights) {
    return weights == 0 ? 0.0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
}

bool is_within(const gguf::Header& header, const gguf::Tensor& tensor, std::uint64_t file_size) {
    return header.data_offset + tensor.offset + tensor.bytes <= file_size;
}

std::vector<Problem> layout_problems(const gguf::Header& header, std::uint64_t file_size) {
    std::vector<Problem> problems;
    std::uint64_t expected = 0;
    const gguf::Tensor* cut = nullptr;
    for (const gguf::Tensor& tensor : header.tensors) {
        if (tensor.offset != expected) {
            Problem problem;
            problem.tensor = tensor.name;
            problem.byte = header.data_offset + tensor.offset;
            problem.what = "starts at byte " + std::to_string(tensor.offset) +
                           " of the data, but the tensor before it " + "ends at " + std::to_string(expected);
            problems.push_back(problem);
        }
        expected = gguf::align_up(tensor.offset + tensor.bytes, header.alignment);
        if (!is_within(header, tensor, file_size) && (cut == nullptr || tensor.offset < cut->offset)) {
            cut = &tensor;
        }
    }
    if (gguf::expected_size(header) > file_size) {
        Problem problem;
        problem.tensor = cut == nullptr ? std::nullopt : std::optional(cut->name);
        problem.byte = file_size;
        problem.what = "the file is truncated: it has " + std::to_string(file_size) + " bytes, its tensors need " +
                       std::to_string(gguf::expected_size(header));
        problems.push_back(problem);
    }
    return problems;
}

std::vector<std::string> layout_notes(const gguf::Header& header, std::uint64_t file_size) {
    std::vector<std::string> notes;
    const std::uint64_t end = gguf::align_up(gguf::expected_size(header), header.alignment);
    if (file_size > end) {
        notes.push_back(std::to_string(file_size - end) + " bytes follow the last tensor");
    }
    for (const gguf::Tensor& tensor : header.tensors) {
        if (tensor.type == nullptr && tensor.bytes != 0 &&
            header.data_offset + tensor.offset + tensor.bytes == file_size) {
            notes.push_back("tensor " + tensor.name +
                            " is of an unknown type and the last: a cut at its end is not seen");
        }
    }
    return notes;
}

std::vector<Total> totals_of(const gguf::Header& header) {
    std::map<std::uint32_t, Total> by_type;
    for (const gguf::Tensor& tensor : header.tensors) {
        Total& total = by_type[tensor.type_id];
        total.type = type_name(tensor);
        total.type_id = tensor.type_id;
        total.tensors += 1;
        total.weights = saturated(total.weights, tensor.weights);
        total.bytes = saturated(total.bytes, tensor.bytes);
    }
    std::vector<Total> totals;
    for (auto& [type_id, total] : by_type) {
        totals.push_back(std::move(total));
    }
    std::stable_sort(totals.begin(), totals.end(), [](const Total& a, const Total& b) { return a.bytes > b.bytes; });
    return totals;
}

Total sum_of(const std::vector<Total>& totals) {
    Total sum;
    for (const Total& total : totals) {
        sum.tensors += total.tensors;
        sum.weights = saturated(sum.weights, total.weights);
        sum.bytes = saturated(sum.bytes, total.bytes);
    }
    return sum;
}

}  // namespace verify
