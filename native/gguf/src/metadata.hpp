#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cursor.hpp"
#include "gguf/reader.hpp"

namespace gguf {

/// Text of at most `limit` bytes that must be UTF-8; `what` names it in errors.
std::string read_text(Cursor& cursor, std::uint64_t limit, const std::string& what);

/// The `count` keys and values at the cursor.
std::vector<Entry> read_metadata(Cursor& cursor, std::uint64_t count);

}  // namespace gguf
