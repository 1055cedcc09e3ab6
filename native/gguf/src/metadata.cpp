#include "metadata.hpp"

#include <unordered_set>

#include "gguf/utf8.hpp"

namespace gguf {
namespace {

/// Types of metadata values, as numbered in the file.
enum : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// Bytes of a value of fixed size; 0 for the others and for unknown types.
std::uint64_t size_of(std::uint32_t kind) {
    switch (kind) {
        case u8:
        case i8:
        case boolean:
            return 1;
        case u16:
        case i16:
            return 2;
        case u32:
        case i32:
        case f32:
            return 4;
        case u64:
        case i64:
        case f64:
            return 8;
        default:
            return 0;
    }
}

Value read_string(Cursor& cursor) {
    const auto size = cursor.number<std::uint64_t>();
    cursor.need(size);
    if (size > kept_string_bytes) {
        cursor.skip(size);
        return Skipped{};
    }
    return cursor.take(static_cast<std::size_t>(size));
}

/// Pass over an array. `strings` counts the strings of all arrays.
void skip_array(Cursor& cursor, std::uint64_t& strings) {
    const auto kind = cursor.number<std::uint32_t>();
    const auto count = cursor.number<std::uint64_t>();
    if (kind == string) {
        if (count > max_strings - strings) {
            throw cursor.error(
                Fault::malformed,
                "array of " + std::to_string(count) + " strings: more than " + std::to_string(max_strings) + " in all",
                8);
        }
        strings += count;
        cursor.need(8 * count);
        for (std::uint64_t i = 0; i < count; ++i) {
            cursor.skip(cursor.number<std::uint64_t>());
        }
        return;
    }
    const std::uint64_t size = size_of(kind);
    if (size == 0) {
        const std::string what = kind == array ? "array of arrays" : "array of unknown metadata type ";
        throw cursor.error(Fault::malformed, kind == array ? what : what + std::to_string(kind), 12);
    }
    if (count > cursor.left() / size) {
        throw cursor.error(Fault::truncated,
                           "array of " + std::to_string(count) + " values, more than the file has room for");
    }
    cursor.skip(count * size);
}

Value read_value(Cursor& cursor, std::uint32_t kind, std::uint64_t& strings) {
    switch (kind) {
        case u8:
            return std::uint64_t{cursor.number<std::uint8_t>()};
        case u16:
            return std::uint64_t{cursor.number<std::uint16_t>()};
        case u32:
            return std::uint64_t{cursor.number<std::uint32_t>()};
        case u64:
            return cursor.number<std::uint64_t>();
        case i8:
            return std::int64_t{cursor.number<std::int8_t>()};
        case i16:
            return std::int64_t{cursor.number<std::int16_t>()};
        case i32:
            return std::int64_t{cursor.number<std::int32_t>()};
        case i64:
            return cursor.number<std::int64_t>();
        case f32:
            return double{cursor.number<float>()};
        case f64:
            return cursor.number<double>();
        case boolean:
            return cursor.number<std::uint8_t>() != 0;
        case string:
            return read_string(cursor);
        case array:
            skip_array(cursor, strings);
            return Skipped{};
        default:
            throw cursor.error(Fault::malformed, "unknown metadata type " + std::to_string(kind), 4);
    }
}

}  // namespace

std::string read_text(Cursor& cursor, std::uint64_t limit, const std::string& what) {
    const auto size = cursor.number<std::uint64_t>();
    if (size > limit) {
        throw cursor.error(Fault::malformed,
                           what + " of " + std::to_string(size) + " bytes, more than " + std::to_string(limit), 8);
    }
    std::string text = cursor.take(static_cast<std::size_t>(size));
    if (!is_utf8(text)) {
        throw cursor.error(Fault::malformed, what + " is not UTF-8", size);
    }
    return text;
}

std::vector<Entry> read_metadata(Cursor& cursor, std::uint64_t count) {
    std::vector<Entry> entries;
    std::unordered_set<std::string> keys;
    std::uint64_t strings = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        std::string key = read_text(cursor, max_key_bytes, "metadata key");
        if (!keys.insert(key).second) {
            throw cursor.error(Fault::malformed, "metadata key '" + key + "' occurs twice");
        }
        const auto kind = cursor.number<std::uint32_t>();
        Value value = read_value(cursor, kind, strings);
        entries.push_back({std::move(key), std::move(value)});
    }
    return entries;
}

}  // namespace gguf
