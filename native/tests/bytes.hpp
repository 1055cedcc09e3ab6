// Writes GGUF headers for the tests, good and bad ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/reader.hpp"

namespace tests {

template <typename Number>
std::string raw(Number number) {
    return std::string(reinterpret_cast<const char*>(&number), sizeof number);
}

inline std::string text(const std::string& value) { return raw(std::uint64_t{value.size()}) + value; }

inline std::string head(std::uint64_t tensors, std::uint64_t keys) {
    return "GGUF" + raw(std::uint32_t{3}) + raw(tensors) + raw(keys);
}

inline std::string key(const std::string& name, std::uint32_t kind, const std::string& payload) {
    return text(name) + raw(kind) + payload;
}

inline std::string info(const std::string& name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
                        std::uint64_t offset) {
    std::string out = text(name) + raw(static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t extent : shape) {
        out += raw(extent);
    }
    return out + raw(type) + raw(offset);
}

inline gguf::Header read(const std::string& bytes) {
    return gguf::read_header(gguf::MemoryBytes(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

}  // namespace tests
