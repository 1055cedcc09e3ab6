#include "check.hpp"

#include <algorithm>
#include <exception>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "file.hpp"
#include "layout.hpp"
#include "scan.hpp"
#include "work.hpp"

namespace verify {
namespace {

/// Of a read. Larger ones are no faster on a disk, smaller ones cost more calls (native/README.md has the measurement).
constexpr std::size_t piece_bytes = std::size_t{4} << 20;

/// The tensors whose blocks can be checked, in the order of the file.
std::vector<Task> tasks_of(const gguf::Header& header, std::uint64_t file_size) {
    std::vector<Task> tasks;
    for (const gguf::Tensor& tensor : header.tensors) {
        const Rule* rule = tensor.type == nullptr ? nullptr : find_rule(tensor.type_id);
        if (rule != nullptr && is_within(header, tensor, file_size)) {
            tasks.push_back({&tensor, rule});
        }
    }
    std::stable_sort(tasks.begin(), tasks.end(),
                     [](const Task& a, const Task& b) { return a.tensor->offset < b.tensor->offset; });
    return tasks;
}

/// Findings of all pieces, merged by task.
using Findings = std::map<std::size_t, Found>;

void merge(Findings& findings, const Piece& piece, Found found) {
    if (found.count == 0) {
        return;
    }
    found.first += piece.first_block;
    const auto [known, is_new] = findings.try_emplace(piece.task, found);
    if (!is_new) {
        const std::uint64_t count = known->second.count + found.count;
        if (found.first < known->second.first) {
            known->second = found;
        }
        known->second.count = count;
    }
}

Findings scan_all(const File& file, std::uint64_t data_offset, const std::vector<Task>& tasks, unsigned threads) {
    Work work(tasks, piece_bytes);
    Findings findings;
    std::exception_ptr failure;
    std::mutex mutex;
    const auto run = [&] {
        try {
            Buffer buffer;
            while (const std::optional<Piece> piece = work.next()) {
                const Task& task = tasks[piece->task];
                const gguf::Type& type = *task.tensor->type;
                const std::uint64_t offset = data_offset + task.tensor->offset + piece->first_block * type.bytes;
                const std::uint8_t* data = file.view(offset, piece->blocks * type.bytes, buffer);
                const Found found = scan(*task.rule, type, data, piece->blocks);
                const std::lock_guard<std::mutex> lock(mutex);
                merge(findings, *piece, found);
            }
        } catch (...) {
            work.stop();
            const std::lock_guard<std::mutex> lock(mutex);
            failure = std::current_exception();
        }
    };
    std::vector<std::thread> running;
    for (unsigned i = 1; i < threads; ++i) {
        running.emplace_back(run);
    }
    run();
    for (std::thread& thread : running) {
        thread.join();
    }
    if (failure != nullptr) {
        std::rethrow_exception(failure);
    }
    return findings;
}

Problem problem_of(const Task& task, std::uint64_t data_offset, const Found& found) {
    Problem problem;
    problem.tensor = task.tensor->name;
    problem.index = found.first;
    problem.byte = data_offset + task.tensor->offset + found.first * task.tensor->type->bytes + found.place;
    problem.count = found.count;
    problem.what = found.what;
    return problem;
}

void describe_coverage(Result& result, const std::vector<Task>& tasks) {
    for (const Total& total : result.totals) {
        std::uint64_t bytes = 0;
        for (const Task& task : tasks) {
            bytes += task.rule->type_id == total.type_id ? task.tensor->bytes : 0;
        }
        if (const Rule* rule = find_rule(total.type_id)) {
            result.checked.push_back({total.type, rule->what, bytes});
        } else {
            result.not_checked.push_back({total.type, why_unchecked(total.type_id), 0});
        }
    }
    const auto& tensors = result.header.tensors;
    const auto beyond = std::count_if(tensors.begin(), tensors.end(), [&](const gguf::Tensor& tensor) {
        return !is_within(result.header, tensor, result.size);
    });
    if (beyond > 0) {
        result.notes.push_back("the weights of " + std::to_string(beyond) +
                               " tensors are not all in the file and were not looked at");
    }
}

void check_weights(Result& result, const File& file, unsigned threads) {
    const std::vector<Task> tasks = tasks_of(result.header, file.size());
    describe_coverage(result, tasks);
    for (const auto& [task, found] : scan_all(file, result.header.data_offset, tasks, threads)) {
        result.problems.push_back(problem_of(tasks[task], result.header.data_offset, found));
    }
}

}  // namespace

Result check_file(const std::string& path, unsigned threads) {
    Result result;
    result.path = path;
    try {
        const File file(path);
        result.size = file.size();
        result.header = gguf::read_header(file);
        result.totals = totals_of(result.header);
        result.problems = layout_problems(result.header, file.size());
        result.notes = layout_notes(result.header, file.size());
        check_weights(result, file, threads);
        result.verdict = result.problems.empty() ? Verdict::good : Verdict::bad;
    } catch (const gguf::Error& error) {
        result.verdict = Verdict::bad;
        result.error = HeaderError{gguf::name(error.fault()), error.what(), error.offset()};
    } catch (const std::system_error& error) {
        result.verdict = Verdict::unreadable;
        result.error = HeaderError{"io", error.what(), std::nullopt};
    }
    return result;
}

}  // namespace verify
