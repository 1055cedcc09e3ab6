#include "gguf/utf8.hpp"

#include <cstddef>
#include <cstdint>

namespace gguf {
namespace {

/// Bytes of the character that starts with `lead`, 0 if none does.
std::size_t length_of(std::uint8_t lead) {
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xc2) {
        return 0;
    }
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
}

/// Whether `second` may follow `lead`: some leads allow only a part of 0x80..0xbf.
bool may_follow(std::uint8_t lead, std::uint8_t second) {
    const std::uint8_t least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const std::uint8_t most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return second >= least && second <= most;
}

}  // namespace

bool is_utf8(const std::string& bytes) {
    std::size_t i = 0;
    while (i < bytes.size()) {
        const auto at = [&](std::size_t index) { return static_cast<std::uint8_t>(bytes[index]); };
        const std::size_t length = length_of(at(i));
        if (length == 0 || length > bytes.size() - i) {
            return false;
        }
        if (length > 1 && !may_follow(at(i), at(i + 1))) {
            return false;
        }
        for (std::size_t j = 2; j < length; ++j) {
            if ((at(i + j) & 0xc0) != 0x80) {
                return false;
            }
        }
        i += length;
    }
    return true;
}

}  // namespace gguf
