#include "options.hpp"

#include <cmath>
#include <stdexcept>

namespace probe {
namespace {

double number(const std::string& flag, const std::string& words, double least, double most) {
    std::size_t used = 0;
    double value = 0;
    try {
        value = std::stod(words, &used);
    } catch (const std::exception&) {
        used = 0;
    }
    if (used != words.size() || words.empty() || !(value >= least && value <= most)) {
        throw std::invalid_argument(flag + " " + words + ": wanted a number from " + std::to_string(least) + " to " +
                                    std::to_string(most));
    }
    return value;
}

std::uint64_t whole(const std::string& flag, const std::string& words, double least, double most) {
    const double value = number(flag, words, least, most);
    if (value != std::floor(value)) {
        throw std::invalid_argument(flag + " " + words + ": wanted a whole number");
    }
    return static_cast<std::uint64_t>(value);
}

Fault fault_of(const std::string& words) {
    if (words == "nibbles") {
        return Fault::nibbles;
    }
    if (words == "weights") {
        return Fault::weights;
    }
    throw std::invalid_argument("--fault " + words + ": wanted nibbles or weights");
}

void take(Options& options, const std::string& flag, const std::string& value) {
    if (flag == "--device") {
        bool known = false;
        std::string names;
        for (const Backend& backend : backends()) {
            known = known || value == backend.name;
            names += (names.empty() ? "" : ", ") + std::string(backend.name);
        }
        if (!known) {
            throw std::invalid_argument("--device " + value + ": this build has " + names);
        }
        options.device = value;
    } else if (flag == "--index") {
        options.index = static_cast<int>(whole(flag, value, 0, 255));
    } else if (flag == "--shapes") {
        options.settings.shapes = shapes_of(value);
    } else if (flag == "--seconds") {
        options.settings.seconds = number(flag, value, 0, 3600);
    } else if (flag == "--mib") {
        options.settings.bytes = whole(flag, value, 1, 1 << 20U) << 20U;
    } else if (flag == "--peak") {
        options.settings.peak_gbps = number(flag, value, 1, 1e6);
    } else if (flag == "--fault") {
        options.settings.fault = fault_of(value);
    } else {
        throw std::invalid_argument("unknown argument " + flag);
    }
}

}  // namespace

Options options_of(const std::vector<std::string>& arguments) {
    Options options;
    options.settings.bytes = 0;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& flag = arguments[i];
        if (flag == "--list") {
            options.list = true;
        } else if (flag == "--json") {
            options.json = true;
        } else if (flag == "--help" || flag == "-h") {
            options.help = true;
        } else if (i + 1 < arguments.size()) {
            take(options, flag, arguments[++i]);
        } else {
            throw std::invalid_argument(flag + ": unknown, or its value is missing");
        }
    }
    return options;
}

void complete(Settings& settings, bool software) {
    if (settings.shapes.empty()) {
        settings.shapes = shapes_of(software ? "small" : "27b");
    }
    if (settings.bytes == 0) {
        settings.bytes = std::uint64_t{1} << (software ? 26U : 30U);
    }
}

std::string help() {
    std::string names;
    for (const Backend& backend : backends()) {
        names += (names.empty() ? "" : ", ") + std::string(backend.name);
    }
    return "strix-probe: does this GPU compute ROCmFP4 right, and how fast does it read its memory?\n"
           "\n"
           "  --device NAME    one of " +
           names +
           " (default: the first that has a device)\n"
           "  --index N        device N of --list (default: the first that is no software)\n"
           "  --list           list the devices and end\n"
           "  --json           one JSON document on stdout\n"
           "  --shapes LIST    " +
           known_shapes() +
           "\n"
           "                   (default 27b; on a software device small)\n"
           "  --seconds S      of each measurement (default 0.5)\n"
           "  --mib N          size of a buffer, and of all copies of a matrix together (default 1024;\n"
           "                   on a software device 64)\n"
           "  --peak GBPS      what percentages refer to (default: 256 on a Strix Halo, else no percentages)\n"
           "  --fault F        for tests: nibbles (a wrong kernel) or weights (a damaged matrix)\n"
           "\n"
           "Exit: 0 computes right, 1 computes wrong, 2 usage, no device, or it could not be measured.\n";
}

}  // namespace probe
