// Any bytes as a GGUF file: an answer or a gguf::Error, and a report of it.
#include <cstdint>
#include <cstdlib>

#include "layout.hpp"
#include "report.hpp"
#include "scan.hpp"

namespace {

/// What strix-verify does with the weights, without files and threads.
void look_at_weights(const gguf::Header& header, const std::uint8_t* data, std::size_t size) {
    for (const gguf::Tensor& tensor : header.tensors) {
        const verify::Rule* rule = verify::find_rule(tensor.type_id);
        if (tensor.type == nullptr || rule == nullptr || !verify::is_within(header, tensor, size)) {
            continue;
        }
        const std::uint8_t* weights = data + header.data_offset + tensor.offset;
        const std::uint64_t blocks = tensor.bytes / tensor.type->bytes;
        const verify::Found found = verify::scan(*rule, *tensor.type, weights, static_cast<std::size_t>(blocks));
        if (found.count != 0 && found.first >= blocks) {
            std::abort();
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    verify::Result result;
    result.path = "fuzzed";
    result.size = size;
    try {
        result.header = gguf::read_header(gguf::MemoryBytes(data, size));
        result.problems = verify::layout_problems(result.header, size);
        result.notes = verify::layout_notes(result.header, size);
        result.totals = verify::totals_of(result.header);
        look_at_weights(result.header, data, size);
    } catch (const gguf::Error& error) {
        result.error = verify::HeaderError{gguf::name(error.fault()), error.what(), error.offset()};
    }
    if (verify::report_json({result}).empty() || verify::report_text({result}).empty()) {
        std::abort();
    }
    return 0;
}
