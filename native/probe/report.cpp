#include "report.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

namespace probe {
namespace {

using Json = nlohmann::ordered_json;

template <typename... Values>
std::string format(const char* form, Values... values) {
    char line[512];
    std::snprintf(line, sizeof line, form, values...);
    return line;
}

std::optional<double> percent(const Findings& findings, double gbps) {
    return findings.peak ? std::optional<double>(100 * gbps / findings.peak->gbps) : std::nullopt;
}

std::string rate_words(const Findings& findings, double gbps) {
    const std::optional<double> part = percent(findings, gbps);
    return format("%7.1f GB/s", gbps) + (part ? format(" %5.1f %%", *part) : "");
}

std::string words(const Findings& findings, const Bandwidth& item) {
    return format("%-14s %-4s %-3s ", item.name.c_str(), "", "") + rate_words(findings, item.rate.gbps) +
           format("  %llu MiB moved in a pass, median of %u", static_cast<unsigned long long>(item.bytes >> 20U),
                  item.rate.samples) +
           (item.right ? "" : "  WRONG: what was read is not what was written");
}

std::string words(const Findings& findings, const Product& item) {
    const Errors& errors = item.errors;
    const std::string speed =
        item.rate ? rate_words(findings, item.rate->gbps) : (findings.peak ? "     checked only " : "checked only");
    return format("%-14s %-4s %-3s ", item.shape.name.c_str(), name(item.shape.layout), name(item.number)) + speed +
           format("  %u x %u, %u cop%s; error %.2g of %.2g, relative %.2g of %.2g", item.shape.rows, item.shape.columns,
                  item.copies, item.copies == 1 ? "y" : "ies", errors.absolute, errors.row_bound, errors.relative,
                  errors.relative_bound) +
           (errors.right ? "" : "  WRONG");
}

Json json_of_device(const DeviceInfo& device) {
    return {{"backend", device.backend},
            {"index", device.index},
            {"name", device.name},
            {"type", device.type},
            {"vendor_id", device.vendor_id},
            {"device_id", device.device_id},
            {"architecture", device.architecture},
            {"driver", device.driver},
            {"driver_version", device.driver_version},
            {"software", device.software},
            {"lanes", device.lanes},
            {"clock", device.clock}};
}

/// A number, or null.
Json maybe(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

void add_rate(Json& json, const Findings& findings, const Rate& rate) {
    json["gbps"] = rate.gbps;
    json["best_gbps"] = rate.best;
    json["percent"] = maybe(percent(findings, rate.gbps));
    json["samples"] = rate.samples;
}

Json json_of_bandwidth(const Findings& findings, const Bandwidth& item) {
    Json json = {{"name", item.name}, {"bytes", item.bytes}};
    add_rate(json, findings, item.rate);
    json["right"] = item.right;
    return json;
}

Json json_of_product(const Findings& findings, const Product& item) {
    Json json = {{"name", item.shape.name},
                 {"layout", name(item.shape.layout)},
                 {"input", name(item.number)},
                 {"rows", item.shape.rows},
                 {"columns", item.shape.columns},
                 {"copies", item.copies},
                 {"bytes", item.shape.bytes()},
                 {"per_token", item.shape.per_token},
                 {"absolute_error", item.errors.absolute},
                 {"absolute_bound", item.errors.row_bound},
                 {"relative_error", item.errors.relative},
                 {"relative_bound", item.errors.relative_bound},
                 {"right", item.errors.right}};
    if (item.rate) {
        add_rate(json, findings, *item.rate);
    }
    return json;
}

/// One line of ASCII. A driver's name need not be UTF-8; what is not a number is null.
std::string document(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

}  // namespace

std::string line_of(const DeviceInfo& device) {
    return device.backend + " " + std::to_string(device.index) + ": " + device.name +
           (device.vendor_id != 0 ? format(" [%04x:%04x]", device.vendor_id, device.device_id) : "") +
           (device.architecture.empty() ? "" : " " + device.architecture) + ", " + device.driver + " " +
           device.driver_version + ", " + device.type + (device.software ? ", SOFTWARE: not a GPU" : "");
}

std::string newest(const Findings& findings) {
    if (findings.products.empty() && findings.bandwidths.empty()) {
        std::string text =
            line_of(findings.device) + "\n" +
            format("%u %s, times by %s", findings.device.lanes,
                   findings.device.backend == "cpu" ? "threads" : "lanes in a wave", findings.device.clock.c_str());
        if (findings.peak) {
            text += format("; percent of %.0f GB/s (%s)", findings.peak->gbps, findings.peak->source.c_str());
        }
        return text;
    }
    // The bandwidths come between the checks, which have no rate, and the products that have one.
    if (!findings.bandwidths.empty() && (findings.products.empty() || !findings.products.back().rate)) {
        return words(findings, findings.bandwidths.back());
    }
    return words(findings, findings.products.back());
}

std::string verdict(const Findings& findings) {
    const std::string what = findings.device.software ? "this software device (not a GPU)" : "the GPU";
    if (!findings.right()) {
        return "WRONG: " + what + " does not compute what it should";
    }
    const double read = findings.gbps("read");
    const std::optional<double> weights = findings.weights_gbps();
    std::string text = what + " computes right";
    if (findings.peak) {
        text += format(", at %.0f %% of its bandwidth: it reads %.1f of %.0f GB/s", 100 * read / findings.peak->gbps,
                       read, findings.peak->gbps);
    } else {
        text += format("; it reads %.1f GB/s (its peak is not known: --peak)", read);
    }
    if (weights) {
        text += format(", and ROCmFP4 weights at %.1f GB/s, %.0f %% of that", *weights, 100 * *weights / read);
    }
    return text;
}

std::string json_of(const Findings& findings) {
    Json json = {{"schema", "strix-probe/1"},
                 {"right", findings.right()},
                 {"verdict", verdict(findings)},
                 {"kernel", findings.kernel_release},
                 {"device", json_of_device(findings.device)},
                 {"peak", nullptr},
                 {"bandwidth", Json::array()},
                 {"matvec", Json::array()},
                 {"weights_gbps", maybe(findings.weights_gbps())}};
    if (findings.peak) {
        json["peak"] = {{"gbps", findings.peak->gbps}, {"source", findings.peak->source}};
    }
    for (const Bandwidth& item : findings.bandwidths) {
        json["bandwidth"].push_back(json_of_bandwidth(findings, item));
    }
    for (const Product& item : findings.products) {
        json["matvec"].push_back(json_of_product(findings, item));
    }
    return document(json);
}

std::string json_of(const std::vector<DeviceInfo>& devices) {
    Json json = {{"schema", "strix-probe-devices/1"}, {"devices", Json::array()}};
    for (const DeviceInfo& device : devices) {
        json["devices"].push_back(json_of_device(device));
    }
    return document(json);
}

}  // namespace probe
