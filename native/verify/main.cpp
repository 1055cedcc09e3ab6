// strix-verify: is this GGUF file complete and sane? The command line is in options.cpp, the output in
// native/README.md.
#include <algorithm>
#include <cstdio>
#include <exception>

#include "check.hpp"
#include "options.hpp"
#include "report.hpp"

namespace {

constexpr int bad_data = 1;
constexpr int no_answer = 2;

int status_of(const std::vector<verify::Result>& results) {
    int status = 0;
    for (const verify::Result& result : results) {
        const bool bad = result.verdict == verify::Verdict::bad;
        const bool unreadable = result.verdict == verify::Verdict::unreadable;
        status = std::max(status, unreadable ? no_answer : bad ? bad_data : 0);
    }
    return status;
}

int run(const verify::Options& options) {
    std::vector<verify::Result> results;
    for (const std::string& path : options.files) {
        results.push_back(verify::check_file(path, options.threads));
    }
    const std::string report = options.json ? verify::report_json(results) : verify::report_text(results);
    std::fputs(report.c_str(), stdout);
    if (std::fflush(stdout) != 0) {
        std::fputs("strix-verify: the report could not be written\n", stderr);
        return no_answer;
    }
    return status_of(results);
}

}  // namespace

int main(int argc, char** argv) {
    const verify::Options options = verify::parse(argc, argv);
    if (options.help) {
        std::fputs(verify::usage, stdout);
        return 0;
    }
    if (!options.error.empty()) {
        std::fprintf(stderr, "strix-verify: %s\n\n%s", options.error.c_str(), verify::usage);
        return no_answer;
    }
    try {
        return run(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "strix-verify: %s\n", error.what());
        return no_answer;
    }
}
