#include "file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

namespace verify {
namespace {

std::system_error failed(int error, const char* what) {
    return std::system_error(std::error_code(error, std::generic_category()), what);
}

/// Read until `count` bytes or the end of the file; returns how many.
std::size_t read_all(int fd, std::uint64_t offset, std::uint8_t* out, std::size_t count) {
    std::size_t done = 0;
    while (done < count) {
        const ssize_t part = ::pread(fd, out + done, count - done, static_cast<off_t>(offset + done));
        if (part < 0 && errno == EINTR) {
            continue;
        }
        if (part < 0) {
            throw failed(errno, "cannot be read");
        }
        if (part == 0) {
            break;
        }
        done += static_cast<std::size_t>(part);
    }
    return done;
}

constexpr std::uint64_t page_start(std::uint64_t offset) { return offset / page_bytes * page_bytes; }

}  // namespace

File::File(const std::string& path) {
    // Without O_NONBLOCK, opening a pipe would wait for its other end.
    cached_fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (cached_fd_ < 0) {
        throw failed(errno, "cannot be opened");
    }
    struct stat status {};
    if (::fstat(cached_fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
        ::close(cached_fd_);
        throw failed(S_ISDIR(status.st_mode) ? EISDIR : EINVAL, "is not a regular file");
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
    direct_fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_DIRECT);
    if (size_ > 0) {
        void* mapping = ::mmap(nullptr, static_cast<std::size_t>(size_), PROT_READ, MAP_SHARED, cached_fd_, 0);
        mapping_ = mapping == MAP_FAILED ? nullptr : static_cast<std::uint8_t*>(mapping);
    }
}

File::~File() {
    if (mapping_ != nullptr) {
        ::munmap(mapping_, static_cast<std::size_t>(size_));
    }
    if (direct_fd_ >= 0) {
        ::close(direct_fd_);
    }
    ::close(cached_fd_);
}

std::size_t File::read(std::uint64_t offset, std::uint8_t* out, std::size_t count) const {
    return offset >= size_ ? 0 : read_all(cached_fd_, offset, out, count);
}

bool File::cached(std::uint64_t offset, std::size_t count) const {
    if (mapping_ == nullptr) {
        return false;
    }
    const std::uint64_t start = page_start(offset);
    const std::size_t length = static_cast<std::size_t>(offset + count - start);
    std::vector<unsigned char> pages((length + page_bytes - 1) / page_bytes);
    if (::mincore(mapping_ + start, length, pages.data()) != 0) {
        return false;
    }
    return std::all_of(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; });
}

const std::uint8_t* File::view(std::uint64_t offset, std::size_t count, Buffer& buffer) const {
    if (cached(offset, count)) {
        return mapping_ + offset;
    }
    const std::uint64_t start = page_start(offset);
    const std::size_t before = static_cast<std::size_t>(offset - start);
    const std::size_t length = (before + count + page_bytes - 1) / page_bytes * page_bytes;
    std::uint8_t* room = buffer.room_for(length);
    std::size_t there = 0;
    try {
        there = direct_fd_ >= 0 ? read_all(direct_fd_, start, room, length) : 0;
    } catch (const std::system_error& error) {
        if (error.code().value() != EINVAL) {
            throw;
        }
    }
    // Without direct reads, or after the odd end of a file system's last block.
    if (there < before + count) {
        there += read_all(cached_fd_, start + there, room + there, length - there);
    }
    if (there < before + count) {
        throw failed(EIO, "became shorter while it was read");
    }
    return room + before;
}

}  // namespace verify
