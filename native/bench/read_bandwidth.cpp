// read-bandwidth THREADS: GB/s at which so many threads read memory, the best of ten passes, as STREAM counts.
//
// STREAM has no kernel that only reads; this is the sum of an array, with STREAM's rules: much larger than the caches,
// pages touched before by the thread that reads them.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t total_bytes = std::size_t{2} << 30;
constexpr int passes = 10;

std::uint64_t* array_of(std::size_t bytes) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        std::perror("read-bandwidth: mmap");
        std::exit(1);
    }
    // Advice only: without huge pages it is a little slower.
    static_cast<void>(::madvise(memory, bytes, MADV_HUGEPAGE));
    std::memset(memory, 1, bytes);
    return static_cast<std::uint64_t*>(memory);
}

/// All threads begin each pass together.
class Barrier {
  public:
    explicit Barrier(int count) : count_(count) {}
    void wait() {
        const int round = round_.load();
        if (arrived_.fetch_add(1) + 1 == count_) {
            arrived_ = 0;
            ++round_;
        }
        while (round_.load() == round) {
            std::this_thread::yield();
        }
    }

  private:
    int count_;
    std::atomic<int> arrived_{0};
    std::atomic<int> round_{0};
};

}  // namespace

int main(int argc, char** argv) {
    const int threads = argc == 2 ? std::atoi(argv[1]) : 0;
    if (threads < 1 || threads > 256) {
        std::fputs("usage: read-bandwidth THREADS\n", stderr);
        return 2;
    }
    const std::size_t words = total_bytes / sizeof(std::uint64_t) / static_cast<std::size_t>(threads);
    Barrier barrier(threads + 1);
    std::atomic<std::uint64_t> kept{0};
    std::vector<std::thread> running;
    for (int i = 0; i < threads; ++i) {
        running.emplace_back([&] {
            const std::uint64_t* array = array_of(words * sizeof(std::uint64_t));
            for (int pass = 0; pass < passes; ++pass) {
                barrier.wait();
                std::uint64_t sum = 0;
                for (std::size_t word = 0; word < words; ++word) {
                    sum += array[word];
                }
                kept += sum;
                barrier.wait();
            }
        });
    }
    double best = 0.0;
    for (int pass = 0; pass < passes; ++pass) {
        barrier.wait();
        const auto begin = std::chrono::steady_clock::now();
        barrier.wait();
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
        const double bytes = static_cast<double>(words) * sizeof(std::uint64_t) * threads;
        best = std::max(best, bytes / seconds.count() / 1e9);
    }
    for (std::thread& thread : running) {
        thread.join();
    }
    std::printf("%.2f\n", best);
    return kept.load() == 1 ? 1 : 0;  // the sums are used, so that they are computed
}
