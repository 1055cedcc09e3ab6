#include <iomanip>
#include <sstream>

#include "gguf/utf8.hpp"
#include "layout.hpp"
#include "report.hpp"

namespace verify {
namespace {

constexpr std::size_t shown_problems = 20;

/// Names come from the file: what could steer a terminal is shown as hexadecimal.
std::string printable(const std::string& text) {
    const bool utf8 = gguf::is_utf8(text);
    std::string shown;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto at = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
        // The controls from U+0080 to U+009F, of which some do what an escape does, are 0xc2 and their own number.
        const bool first = at(i) == 0xc2 && i + 1 < text.size() && at(i + 1) < 0xa0;
        const bool second = i > 0 && at(i - 1) == 0xc2 && at(i) < 0xa0;
        if (at(i) < 0x20 || at(i) == 0x7f || first || second || (at(i) >= 0x80 && !utf8)) {
            constexpr const char* digits = "0123456789abcdef";
            shown += {'\\', 'x', digits[at(i) >> 4], digits[at(i) & 15]};
        } else {
            shown += text[i];
        }
    }
    return shown;
}

/// 1234567 as 1,234,567.
std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t i = digits.size(); i > 3; i -= 3) {
        digits.insert(i - 3, ",");
    }
    return digits;
}

std::string decimals(double number) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(4) << number;
    return text.str();
}

void add_totals(std::ostringstream& out, const Result& result) {
    out << "  " << std::left << std::setw(18) << "type" << std::right << std::setw(8) << "tensors" << std::setw(16)
        << "weights" << std::setw(16) << "bytes" << std::setw(13) << "bits/weight"
        << "  checked\n";
    for (const Total& total : result.totals) {
        out << "  " << std::left << std::setw(18) << total.type << std::right << std::setw(8) << grouped(total.tensors)
            << std::setw(16) << grouped(total.weights) << std::setw(16) << grouped(total.bytes) << std::setw(13)
            << decimals(bits_per_weight(total.bytes, total.weights)) << "  " << total.what;
        if (total.checked && total.checked_bytes != total.bytes) {
            out << "; only " << grouped(total.checked_bytes) << " bytes were looked at";
        }
        out << "\n";
    }
}

void add_summary(std::ostringstream& out, const Result& result) {
    const Total sum = sum_of(result.totals);
    out << "  " << grouped(result.size) << " bytes, "
        << printable(result.header.text("general.architecture").value_or("no architecture")) << ", file type ";
    const std::optional<std::uint64_t> file_type = result.header.number("general.file_type");
    out << (file_type ? std::to_string(*file_type) : "not said") << ", " << result.header.tensors.size() << " tensors, "
        << grouped(sum.weights) << " weights, " << decimals(bits_per_weight(sum.bytes, sum.weights))
        << " bits per weight\n";
}

void add_problem(std::ostringstream& out, const Problem& problem) {
    out << "  BAD: ";
    if (problem.tensor) {
        out << printable(*problem.tensor) << ": ";
    }
    out << problem.what;
    if (problem.index) {
        out << " in block " << *problem.index;
    }
    out << " (at byte " << problem.byte << ")";
    if (problem.count > 1) {
        out << ", " << grouped(problem.count) << " of this tensor are bad";
    }
    out << "\n";
}

void add_file(std::ostringstream& out, const Result& result) {
    out << printable(result.path) << ": " << name(result.verdict) << "\n";
    if (result.error) {
        out << "  " << (result.verdict == Verdict::bad ? "BAD: " : "ERROR: ") << printable(result.error->what);
        if (result.error->byte) {
            out << " (at byte " << *result.error->byte << ")";
        }
        out << "\n";
        return;
    }
    add_summary(out, result);
    add_totals(out, result);
    for (std::size_t i = 0; i < result.problems.size() && i < shown_problems; ++i) {
        add_problem(out, result.problems[i]);
    }
    if (result.problems.size() > shown_problems) {
        out << "  and " << result.problems.size() - shown_problems << " more (--json has all)\n";
    }
    for (const std::string& note : result.notes) {
        out << "  note: " << printable(note) << "\n";
    }
}

}  // namespace

std::string report_text(const std::vector<Result>& results) {
    std::ostringstream out;
    for (const Result& result : results) {
        add_file(out, result);
    }
    return out.str();
}

}  // namespace verify
