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

/// Of a read from the disk: larger ones are no faster, smaller ones are slower (native/README.md).
constexpr std::size_t piece_bytes = std::size_t{4} << 20;
/// Of a copy from the page cache: it stays in the processor's own cache until it was looked at.
constexpr std::size_t copy_bytes = std::size_t{256} << 10;

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

/// Findings by task.
using Findings = std::map<std::size_t, Found>;

/// Add what was found elsewhere in the same tensor.
void merge(Found& known, const Found& found) {
    const std::uint64_t count = known.count + found.count;
    if (found.count != 0 && (known.count == 0 || found.first < known.first)) {
        known = found;
    }
    known.count = count;
}

/// Look at a piece: at once if it comes from the disk, in small copies if the page cache has it.
Found scan_piece(const File& file, std::uint64_t data_offset, const Task& task, const Piece& piece, Buffer& buffer) {
    const gguf::Type& type = *task.tensor->type;
    const std::uint64_t offset = data_offset + task.tensor->offset + piece.first_block * type.bytes;
    const bool cached = file.cached(offset, piece.blocks * type.bytes);
    const std::size_t most = cached ? std::max<std::size_t>(1, copy_bytes / type.bytes) : piece.blocks;
    Found all;
    for (std::size_t block = 0; block < piece.blocks; block += most) {
        const std::size_t blocks = std::min(most, piece.blocks - block);
        const std::uint8_t* data = file.fetch(offset + block * type.bytes, blocks * type.bytes, !cached, buffer);
        Found found = scan(*task.rule, type, data, blocks);
        found.first += block;
        merge(all, found);
    }
    return all;
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
                Found found = scan_piece(file, data_offset, tasks[piece->task], *piece, buffer);
                if (found.count != 0) {
                    found.first += piece->first_block;
                    const std::lock_guard<std::mutex> lock(mutex);
                    merge(findings[piece->task], found);
                }
            }
        } catch (...) {
            work.stop();
            const std::lock_guard<std::mutex> lock(mutex);
            failure = std::current_exception();
        }
    };
    std::vector<std::thread> running;
    for (unsigned i = 1; i < threads; ++i) {
        try {
            running.emplace_back(run);
        } catch (const std::system_error&) {
            break;  // no more threads are to be had: fewer do it too
        }
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

/// Fill in what is looked at in each type.
void describe_coverage(Result& result, const std::vector<Task>& tasks) {
    std::map<std::uint32_t, std::uint64_t> bytes;
    for (const Task& task : tasks) {
        bytes[task.rule->type_id] += task.tensor->bytes;
    }
    for (Total& total : result.totals) {
        const Rule* rule = find_rule(total.type_id);
        total.checked = rule != nullptr;
        total.what = rule != nullptr ? rule->what : why_unchecked(total.type_id);
        total.checked_bytes = bytes[total.type_id];
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
