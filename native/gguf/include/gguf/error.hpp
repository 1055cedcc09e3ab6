// What is wrong with the header of a GGUF file.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace gguf {

/// Kinds of unreadable headers; the same as in strixkit/planner/gguf.py.
enum class Fault {
    not_gguf,   // it does not start with the magic
    zeros,      // it starts with zero bytes: an interrupted quantise
    truncated,  // the file ends inside the header
    malformed,  // anything else
};

/// "not-gguf", "zeros", "truncated" or "malformed".
const char* name(Fault fault);

/// The bytes are not a readable GGUF header.
class Error : public std::runtime_error {
  public:
    Error(Fault fault, const std::string& message, std::uint64_t offset)
        : std::runtime_error(message), fault_(fault), offset_(offset) {}
    Fault fault() const { return fault_; }
    /// The byte of the file where it was seen.
    std::uint64_t offset() const { return offset_; }

  private:
    Fault fault_;
    std::uint64_t offset_;
};

}  // namespace gguf
