#include <nlohmann/json.hpp>

#include "layout.hpp"
#include "report.hpp"

namespace verify {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json tensor_json(const gguf::Tensor& tensor) {
    Json shape = Json::array();
    for (std::uint32_t d = 0; d < tensor.rank; ++d) {
        shape.push_back(tensor.extents[d]);
    }
    return {{"name", tensor.name}, {"type", type_name(tensor)}, {"type_id", tensor.type_id},
            {"shape", shape},      {"offset", tensor.offset},   {"bytes", tensor.bytes}};
}

Json total_json(const Total& total) {
    return {{"type", total.type},       {"type_id", total.type_id},
            {"tensors", total.tensors}, {"weights", total.weights},
            {"bytes", total.bytes},     {"bits_per_weight", bits_per_weight(total.bytes, total.weights)}};
}

Json problem_json(const Problem& problem) {
    return {{"tensor", or_null(problem.tensor)},
            {"index", or_null(problem.index)},
            {"byte", problem.byte},
            {"count", problem.count},
            {"what", problem.what}};
}

/// The types that were looked at, or the others.
Json coverage_json(const std::vector<Total>& totals, bool checked) {
    Json out = Json::array();
    for (const Total& total : totals) {
        if (total.checked == checked) {
            out.push_back({{"type", total.type}, {"what", total.what}, {"bytes", total.checked_bytes}});
        }
    }
    return out;
}

template <typename List, typename Function>
Json each(const List& list, Function function) {
    Json out = Json::array();
    for (const auto& item : list) {
        out.push_back(function(item));
    }
    return out;
}

Json split_json(const gguf::Header& header) {
    const auto number = header.number("split.no");
    const auto count = header.number("split.count");
    return number && count ? Json{{"no", *number}, {"count", *count}} : Json(nullptr);
}

Json file_json(const Result& result) {
    Json file = {{"path", result.path}, {"size", result.size}, {"verdict", name(result.verdict)}};
    if (result.error) {
        file["error"] = {
            {"kind", result.error->kind}, {"byte", or_null(result.error->byte)}, {"what", result.error->what}};
        return file;
    }
    const Total sum = sum_of(result.totals);
    file["error"] = nullptr;
    file["version"] = result.header.version;
    file["alignment"] = result.header.alignment;
    file["data_offset"] = result.header.data_offset;
    file["keys"] = result.header.metadata.size();
    file["architecture"] = or_null(result.header.text("general.architecture"));
    file["file_type"] = or_null(result.header.number("general.file_type"));
    file["split"] = split_json(result.header);
    file["parameters"] = sum.weights;
    file["bits_per_weight"] = bits_per_weight(sum.bytes, sum.weights);
    file["totals"] = each(result.totals, total_json);
    file["tensors"] = each(result.header.tensors, tensor_json);
    file["faults"] = each(result.problems, problem_json);
    file["checked"] = coverage_json(result.totals, true);
    file["not_checked"] = coverage_json(result.totals, false);
    file["notes"] = result.notes;
    return file;
}

}  // namespace

std::string report_json(const std::vector<Result>& results) {
    const Json document = {{"schema", 1}, {"files", each(results, file_json)}};
    // Text of a file may be no UTF-8: replaced, as Python does.
    return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace verify
