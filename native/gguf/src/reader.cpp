#include "gguf/reader.hpp"

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "cursor.hpp"
#include "metadata.hpp"

namespace gguf {
namespace {

constexpr std::uint64_t magic_bytes = 4;

void check_magic(Cursor& cursor) {
    if (cursor.left() == 0) {
        throw Error(Fault::truncated, "the file is empty", 0);
    }
    Cursor ahead = cursor;
    const std::string head = ahead.take(static_cast<std::size_t>(std::min<std::uint64_t>(4096, cursor.left())));
    if (head.find_first_not_of('\0') == std::string::npos) {
        throw Error(Fault::zeros,
                    "the file starts with zero bytes: an interrupted quantise, which writes the header last", 0);
    }
    if (head.substr(0, magic_bytes) != std::string("GGUF").substr(0, head.size())) {
        throw Error(Fault::not_gguf, "not a GGUF file: it does not start with 'GGUF'", 0);
    }
    cursor.skip(magic_bytes);
}

/// A count of things of at least `least_bytes` each, held against the limit and the size of the file.
std::uint64_t read_count(Cursor& cursor, std::uint64_t limit, const std::string& what, std::uint64_t least_bytes) {
    const auto count = cursor.number<std::uint64_t>();
    if (count > limit) {
        throw cursor.error(Fault::malformed,
                           std::to_string(count) + " " + what + " announced, more than " + std::to_string(limit), 8);
    }
    if (count * least_bytes > cursor.left()) {
        throw cursor.error(Fault::truncated,
                           std::to_string(count) + " " + what + " announced, more than the file has room for", 8);
    }
    return count;
}

std::uint64_t alignment_of(const Header& header, const Cursor& cursor) {
    if (header.find("general.alignment") == nullptr) {
        return 32;
    }
    const std::uint64_t alignment = header.number("general.alignment").value_or(0);
    if (alignment == 0 || alignment > max_alignment || (alignment & (alignment - 1)) != 0) {
        throw cursor.error(Fault::malformed, "general.alignment is not a power of two up to 2^31");
    }
    return alignment;
}

/// The product of the extents; nothing if it is 2^63 or more.
std::optional<std::uint64_t> product(const Tensor& tensor) {
    constexpr std::uint64_t limit = (std::uint64_t{1} << 63) - 1;
    const auto* end = tensor.extents.data() + tensor.rank;
    if (std::find(tensor.extents.data(), end, std::uint64_t{0}) != end) {
        return 0;
    }
    std::uint64_t weights = 1;
    for (const auto* extent = tensor.extents.data(); extent != end; ++extent) {
        if (*extent > limit / weights) {
            return std::nullopt;
        }
        weights *= *extent;
    }
    return weights;
}

/// Fill in what follows from shape and type; the size of an unknown type stays 0.
void measure(Tensor& tensor, const Cursor& cursor) {
    const std::optional<std::uint64_t> weights = product(tensor);
    if (!weights) {
        throw cursor.error(Fault::malformed, "tensor '" + tensor.name + "' has an impossible shape");
    }
    tensor.weights = *weights;
    tensor.type = find_type(tensor.type_id);
    if (tensor.type == nullptr) {
        return;
    }
    const std::uint64_t row = tensor.rank == 0 ? 1 : tensor.extents[0];
    if (row % tensor.type->block != 0) {
        throw cursor.error(Fault::malformed, "tensor '" + tensor.name + "': a row of " + std::to_string(row) +
                                                 " is not a multiple of " + std::to_string(tensor.type->block) + " (" +
                                                 tensor.type->name + ")");
    }
    const std::uint64_t blocks = tensor.weights / tensor.type->block;
    if (blocks >= max_tensor_bytes / tensor.type->bytes) {
        throw cursor.error(Fault::malformed, "tensor '" + tensor.name + "' has an impossible shape");
    }
    tensor.bytes = blocks * tensor.type->bytes;
}

std::vector<Tensor> read_tensors(Cursor& cursor, std::uint64_t count, std::uint64_t alignment) {
    std::vector<Tensor> tensors;
    std::unordered_set<std::string> names;
    for (std::uint64_t i = 0; i < count; ++i) {
        Tensor tensor;
        tensor.info_offset = cursor.position();
        tensor.name = read_text(cursor, max_name_bytes, "tensor name");
        if (!names.insert(tensor.name).second) {
            throw cursor.error(Fault::malformed, "tensor '" + tensor.name + "' occurs twice");
        }
        tensor.rank = cursor.number<std::uint32_t>();
        if (tensor.rank > tensor.extents.size()) {
            throw cursor.error(
                Fault::malformed,
                "tensor '" + tensor.name + "' has " + std::to_string(tensor.rank) + " dimensions, more than 4", 4);
        }
        for (std::uint32_t d = 0; d < tensor.rank; ++d) {
            tensor.extents[d] = cursor.number<std::uint64_t>();
        }
        tensor.type_id = cursor.number<std::uint32_t>();
        tensor.offset = cursor.number<std::uint64_t>();
        if (tensor.offset % alignment != 0) {
            throw cursor.error(Fault::malformed,
                               "tensor '" + tensor.name + "' is not aligned to " + std::to_string(alignment) + " bytes",
                               8);
        }
        if (tensor.offset >= max_tensor_bytes) {
            throw cursor.error(Fault::malformed, "tensor '" + tensor.name + "' has an impossible offset", 8);
        }
        measure(tensor, cursor);
        tensors.push_back(std::move(tensor));
    }
    return tensors;
}

/// Fill in the sizes of unknown types and refuse overlaps.
void fit(Header& header, std::uint64_t file_size) {
    std::vector<std::size_t> order(header.tensors.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return header.tensors[a].offset > header.tensors[b].offset; });
    const std::uint64_t data_size = file_size > header.data_offset ? file_size - header.data_offset : 0;
    const Tensor* follower = nullptr;
    for (const std::size_t index : order) {
        Tensor& tensor = header.tensors[index];
        const std::uint64_t end = follower != nullptr ? follower->offset : std::max(data_size, tensor.offset);
        const std::uint64_t room = end - tensor.offset;
        const bool known = tensor.type != nullptr;
        if (follower != nullptr && (tensor.bytes > room || (!known && room == 0))) {
            throw Error(Fault::malformed, "tensors '" + tensor.name + "' and '" + follower->name + "' overlap",
                        header.data_offset + follower->offset);
        }
        if (!known) {
            tensor.bytes = room;
        }
        follower = &tensor;
    }
}

}  // namespace

const Value* Header::find(const std::string& key) const {
    const auto found =
        std::find_if(metadata.begin(), metadata.end(), [&](const Entry& entry) { return entry.key == key; });
    return found == metadata.end() ? nullptr : &found->value;
}

std::optional<std::string> Header::text(const std::string& key) const {
    const Value* value = find(key);
    const std::string* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
    return text == nullptr ? std::nullopt : std::optional(*text);
}

std::optional<std::uint64_t> Header::number(const std::string& key) const {
    const Value* value = find(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (const auto* number = std::get_if<std::uint64_t>(value)) {
        return *number;
    }
    const auto* number = std::get_if<std::int64_t>(value);
    return number == nullptr || *number < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(*number));
}

Header read_header(const Bytes& bytes) {
    Cursor cursor(bytes);
    check_magic(cursor);
    Header header;
    header.version = cursor.number<std::uint32_t>();
    if (header.version != 2 && header.version != 3) {
        throw cursor.error(Fault::malformed,
                           "GGUF version " + std::to_string(header.version) + " is not supported, only 2 and 3", 4);
    }
    const std::uint64_t tensors = read_count(cursor, max_tensors, "tensors", 24);
    const std::uint64_t keys = read_count(cursor, max_keys, "metadata keys", 13);
    header.metadata = read_metadata(cursor, keys);
    header.alignment = alignment_of(header, cursor);
    header.tensors = read_tensors(cursor, tensors, header.alignment);
    header.data_offset = align_up(cursor.position(), header.alignment);
    fit(header, bytes.size());
    return header;
}

std::uint64_t expected_size(const Header& header) {
    if (header.tensors.empty()) {
        return header.data_offset - header.alignment + 1;
    }
    std::uint64_t end = 0;
    for (const Tensor& tensor : header.tensors) {
        end = std::max(end, tensor.offset + tensor.bytes);
    }
    return header.data_offset + end;
}

}  // namespace gguf
