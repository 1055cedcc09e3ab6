// A file that changes while it is read.
#include <doctest/doctest.h>
#include <unistd.h>

#include <string>
#include <system_error>

#include "bytes.hpp"
#include "file.hpp"

using namespace tests;

namespace {

/// A file that goes with its owner.
class Temporary {
  public:
    explicit Temporary(const std::string& bytes) {
        const int fd = ::mkstemp(path_);
        REQUIRE(fd >= 0);
        REQUIRE(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
        ::close(fd);
    }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;
    ~Temporary() { ::unlink(path_); }
    const char* path() const { return path_; }
    void cut(off_t bytes) const { REQUIRE(::truncate(path_, bytes) == 0); }

  private:
    char path_[32] = "/tmp/strix-file-XXXXXX";
};

std::string refusal(const verify::File& file, bool direct) {
    verify::Buffer buffer;
    try {
        file.fetch(20000, 10000, direct, buffer);
    } catch (const std::system_error& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("weights that are no longer there are missed, from the disk and from the cache, and the byte is named") {
    for (const bool direct : {false, true}) {
        const Temporary temporary(std::string(50000, 'x'));
        const verify::File file(temporary.path());
        CHECK(refusal(file, direct).empty());
        temporary.cut(25000);
        CHECK(refusal(file, direct).find("became shorter while it was read: it ends at byte 25000") == 0);
        temporary.cut(0);
        CHECK(refusal(file, direct).find("became shorter") == 0);
        static_cast<void>(file.cached(0, 50000));  // it asks for pages that are gone
    }
}

TEST_CASE("a header that is no longer there is a header that ends too early") {
    const std::string bytes = head(0, 1) + key("k", 8, text(std::string(20000, 'x')));
    const Temporary temporary(bytes);
    const verify::File file(temporary.path());
    temporary.cut(10);
    try {
        gguf::read_header(file);
        FAIL("it was read");
    } catch (const gguf::Error& error) {
        CHECK(error.fault() == gguf::Fault::truncated);
        CHECK(error.offset() == 10);
    }
}
