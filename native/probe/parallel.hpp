// A loop over all processors.
#pragma once

#include <algorithm>
#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace probe {

/// Threads that a loop uses.
inline std::size_t threads() { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }

/// Call work(first, last, part) for parts of 0..count, each on a thread of its own where one is to be had, and wait for
/// all. `work` does not throw.
template <typename Work>
void parallel(std::size_t count, const Work& work) {
    const std::size_t parts = std::max<std::size_t>(1, std::min(threads(), count));
    std::vector<std::thread> running;
    for (std::size_t part = 1; part < parts; ++part) {
        const auto one = [=, &work] { work(count * part / parts, count * (part + 1) / parts, part); };
        try {
            running.emplace_back(one);
        } catch (const std::system_error&) {
            one();
        }
    }
    work(0, count / parts, 0);
    for (std::thread& thread : running) {
        thread.join();
    }
}

}  // namespace probe
