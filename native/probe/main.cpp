#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "options.hpp"
#include "report.hpp"

namespace {

constexpr int computes_right = 0;
constexpr int computes_wrong = 1;
constexpr int no_answer = 2;

void say(std::FILE* where, const std::string& text) {
    std::fprintf(where, "%s\n", text.c_str());
    std::fflush(where);
}

/// The devices of the backend `only`, or of all. A backend that cannot be asked has none; `why` says so.
std::vector<probe::DeviceInfo> devices_of(const std::string& only, std::string& why) {
    std::vector<probe::DeviceInfo> found;
    for (const probe::Backend& backend : probe::backends()) {
        if (!only.empty() && only != backend.name) {
            continue;
        }
        try {
            const std::vector<probe::DeviceInfo> more = backend.list();
            found.insert(found.end(), more.begin(), more.end());
        } catch (const std::exception& error) {
            why += std::string(backend.name) + ": " + error.what() + "\n";
        }
    }
    return found;
}

/// The wanted device. Without an index: the first of the wanted backend that is no software, else its first.
std::optional<probe::DeviceInfo> chosen(const probe::Options& options, const std::vector<probe::DeviceInfo>& devices) {
    std::optional<probe::DeviceInfo> first;
    for (const probe::DeviceInfo& device : devices) {
        if (options.index >= 0 ? device.index == options.index : !device.software) {
            return device;
        }
        if (options.index < 0 && !first) {
            first = device;
        }
    }
    return first;
}

int run(const probe::Options& options) {
    std::string why;
    const std::vector<probe::DeviceInfo> devices = devices_of(options.device, why);
    if (options.list) {
        if (options.json) {
            say(stdout, json_of(devices));
        } else {
            for (const probe::DeviceInfo& device : devices) {
                say(stdout, line_of(device));
            }
            std::fputs(why.c_str(), stderr);
        }
        return devices.empty() ? no_answer : computes_right;
    }
    const std::optional<probe::DeviceInfo> device = chosen(options, devices);
    if (!device) {
        say(stderr, "strix-probe: no such device; strix-probe --list shows what there is\n" + why);
        return no_answer;
    }
    for (const probe::Backend& backend : probe::backends()) {
        if (device->backend == backend.name) {
            const std::unique_ptr<probe::Device> opened = backend.open(device->index);
            const auto tell = [&](const probe::Findings& found) {
                if (!options.json) {
                    say(stdout, newest(found));
                }
            };
            probe::Settings settings = options.settings;
            complete(settings, device->software);
            const probe::Findings findings = measure(*opened, settings, tell);
            say(stdout, options.json ? json_of(findings) : verdict(findings));
            return findings.right() ? computes_right : computes_wrong;
        }
    }
    return no_answer;
}

}  // namespace

int main(int argc, char** argv) {
    probe::Options options;
    try {
        options = probe::options_of({argv + 1, argv + argc});
    } catch (const std::invalid_argument& error) {
        say(stderr, std::string("strix-probe: ") + error.what() + "; see strix-probe --help");
        return no_answer;
    }
    if (options.help) {
        std::fputs(probe::help().c_str(), stdout);
        return computes_right;
    }
    try {
        return run(options);
    } catch (const std::exception& error) {
        say(stderr, std::string("strix-probe: ") + error.what());
        return no_answer;
    }
}
