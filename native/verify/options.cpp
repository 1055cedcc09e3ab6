#include "options.hpp"

#include <getopt.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace verify {
namespace {

constexpr long most_threads = 256;

/// A number of threads; 0 if the text is none.
unsigned threads_of(const char* text) {
    char* end = nullptr;
    const long number = std::strtol(text, &end, 10);
    const bool valid = *text != '\0' && *end == '\0' && number >= 1 && number <= most_threads;
    return valid ? static_cast<unsigned>(number) : 0;
}

}  // namespace

const char* const usage =
    "usage: strix-verify [--json] [--threads N] FILE.gguf...\n"
    "\n"
    "Reads the header of each file, checks sizes, offsets and the length of the file, and looks at every block of the\n"
    "types that it knows. Each file of a split is looked at for itself.\n"
    "\n"
    "  --json        for programs; the schema is in native/README.md\n"
    "  --threads N   1 to 256; without it as many as processors, from 2 to 16\n"
    "  --help        this text\n"
    "\n"
    "exit status: 0 all files are good, 1 a file is bad, 2 wrong usage or a file cannot be read\n";

unsigned default_threads() { return std::clamp(std::thread::hardware_concurrency(), 2U, 16U); }

Options parse(int argc, char** argv) {
    static const option known[] = {
        {"json", no_argument, nullptr, 'j'},
        {"threads", required_argument, nullptr, 't'},
        {"help", no_argument, nullptr, 'h'},
        {nullptr, 0, nullptr, 0},
    };
    Options options;
    options.threads = default_threads();
    opterr = 0;
    optind = 1;
    for (int letter = 0; (letter = getopt_long(argc, argv, "h", known, nullptr)) != -1;) {
        if (letter == 'j') {
            options.json = true;
        } else if (letter == 'h') {
            options.help = true;
        } else if (letter == 't') {
            options.threads = threads_of(optarg);
            if (options.threads == 0) {
                options.error = "--threads: '" + std::string(optarg) + "' is not a number from 1 to 256";
                return options;
            }
        } else {
            options.error = "unknown option, or one without its value: " + std::string(argv[optind - 1]);
            return options;
        }
    }
    options.files.assign(argv + optind, argv + argc);
    if (options.files.empty() && !options.help) {
        options.error = "no file given";
    }
    return options;
}

}  // namespace verify
