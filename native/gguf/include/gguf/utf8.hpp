#pragma once

#include <string>

namespace gguf {

/// Whether the bytes are UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(const std::string& bytes);

}  // namespace gguf
