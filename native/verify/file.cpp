#include "file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace verify {
namespace {

std::system_error failed(int error, const std::string& what) {
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
            throw failed(errno, "cannot be read at byte " + std::to_string(offset + done));
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
        mapping_ = mapping == MAP_FAILED ? nullptr : mapping;
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
    // All pages would take as long as looking at the weights.
    constexpr std::uint64_t step = 256 * 1024;
    for (std::uint64_t at = page_start(offset); mapping_ != nullptr && at < offset + count; at += step) {
        unsigned char in_memory = 0;
        if (::mincore(static_cast<std::uint8_t*>(mapping_) + at, 1, &in_memory) != 0 || (in_memory & 1) == 0) {
            return false;
        }
    }
    return mapping_ != nullptr;
}

const std::uint8_t* File::fetch(std::uint64_t offset, std::size_t count, bool direct, Buffer& buffer) const {
    const std::uint64_t start = page_start(offset);
    const std::size_t before = static_cast<std::size_t>(offset - start);
    const std::size_t length = (before + count + page_bytes - 1) / page_bytes * page_bytes;
    std::uint8_t* room = buffer.room_for(length);
    std::size_t there = 0;
    if (direct && direct_fd_ >= 0) {
        try {
            there = read_all(direct_fd_, start, room, length);
        } catch (const std::system_error& error) {
            // Some file systems open a file for direct reads and then refuse them.
            if (error.code().value() != EINVAL) {
                throw;
            }
        }
    }
    if (there < before + count) {
        there += read_all(cached_fd_, start + there, room + there, length - there);
    }
    if (there < before + count) {
        throw failed(EIO, "became shorter while it was read: it ends at byte " + std::to_string(start + there));
    }
    return room + before;
}

}  // namespace verify
