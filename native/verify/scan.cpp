#include "scan.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "rocmfp4/codec.hpp"

namespace verify {
namespace {

/// Number formats: all bits of the exponent set means infinity, or NaN if the fraction is not 0.
template <typename Bits, Bits exponent, Bits fraction>
struct Number {
    using Raw = Bits;
    static constexpr Raw bad(Raw raw) { return static_cast<Raw>((raw & exponent) == exponent); }
    static const char* what(Raw raw) { return (raw & fraction) != 0 ? "NaN" : "infinity"; }
};
using F16 = Number<std::uint16_t, 0x7c00, 0x03ff>;
using Bf16 = Number<std::uint16_t, 0x7f80, 0x007f>;
using F32 = Number<std::uint32_t, 0x7f800000, 0x007fffff>;
using F64 = Number<std::uint64_t, 0x7ff0000000000000, 0x000fffffffffffff>;

struct ScaleByte {
    using Raw = std::uint8_t;
    static constexpr Raw bad(Raw raw) { return static_cast<Raw>(raw > rocmfp4::max_scale_byte); }
    static const char* what(Raw) { return "invalid scale byte"; }
};

struct E8m0 {
    using Raw = std::uint8_t;
    static constexpr Raw bad(Raw raw) { return static_cast<Raw>(raw == 0xff); }
    static const char* what(Raw) { return "NaN exponent byte"; }
};

template <typename Raw>
Raw load(const std::uint8_t* data) {
    Raw raw{};
    std::memcpy(&raw, data, sizeof raw);
    return raw;
}

/// Look at a field of every block. `stride` is a number or, for speed, an integral constant.
template <typename Kind, typename Stride>
Found scan_field(const std::uint8_t* data, std::size_t blocks, Stride stride) {
    using Raw = typename Kind::Raw;
    constexpr std::size_t group = 1024;
    Found found;
    for (std::size_t start = 0; start < blocks; start += group) {
        const std::size_t end = std::min(blocks, start + group);
        // Without a branch inside, so that it is compiled to vectors. What is bad is looked for only where it is.
        Raw any = 0;
        for (std::size_t i = start; i < end; ++i) {
            any = static_cast<Raw>(any | Kind::bad(load<Raw>(data + i * stride)));
        }
        for (std::size_t i = start; any != 0 && i < end; ++i) {
            const Raw raw = load<Raw>(data + i * stride);
            if (Kind::bad(raw) != 0 && found.count++ == 0) {
                found.first = i;
                found.what = Kind::what(raw);
            }
        }
    }
    return found;
}

/// The same for a type whose blocks are nothing but the field, or for those of any stride.
template <typename Kind>
Found scan_kind(const std::uint8_t* data, std::size_t blocks, std::size_t stride) {
    constexpr std::size_t dense = sizeof(typename Kind::Raw);
    if (stride == dense) {
        return scan_field<Kind>(data, blocks, std::integral_constant<std::size_t, dense>());
    }
    return scan_field<Kind>(data, blocks, stride);
}

Found scan_place(const Place& place, std::size_t stride, const std::uint8_t* data, std::size_t blocks) {
    const std::uint8_t* first = data + place.offset;
    switch (place.field) {
        case Field::scale_byte:
            return scan_kind<ScaleByte>(first, blocks, stride);
        case Field::e8m0:
            return scan_kind<E8m0>(first, blocks, stride);
        case Field::f16:
            return scan_kind<F16>(first, blocks, stride);
        case Field::bf16:
            return scan_kind<Bf16>(first, blocks, stride);
        case Field::f32:
            return scan_kind<F32>(first, blocks, stride);
        case Field::f64:
            return scan_kind<F64>(first, blocks, stride);
    }
    return {};
}

/// Whether the codec, which is faster for the fork's two layouts, sees that all blocks are valid.
bool valid_rocmfp4(std::uint32_t type_id, const std::uint8_t* data, std::size_t blocks) {
    for (const rocmfp4::Layout layout : {rocmfp4::Layout::dual, rocmfp4::Layout::fast}) {
        if (type_id == static_cast<std::uint32_t>(layout)) {
            return !rocmfp4::first_invalid(layout, data, blocks);
        }
    }
    return false;
}

}  // namespace

Found scan(const Rule& rule, const gguf::Type& type, const std::uint8_t* data, std::size_t blocks) {
    if (valid_rocmfp4(type.id, data, blocks)) {
        return {};
    }
    // In pieces that stay in the processor's cache between the fields of a rule.
    constexpr std::size_t piece_bytes = 256 * 1024;
    const std::size_t piece = std::max<std::size_t>(1, piece_bytes / type.bytes);
    Found all;
    for (std::size_t start = 0; start < blocks; start += piece) {
        Found here;
        for (const Place& place : rule.places) {
            Found one = scan_place(place, type.bytes, data + start * type.bytes, std::min(piece, blocks - start));
            one.place = place.offset;
            const std::uint64_t count = here.count + one.count;
            if (one.count != 0 && (here.count == 0 || one.first < here.first)) {
                here = one;
            }
            here.count = count;
        }
        if (all.count == 0 && here.count != 0) {
            all = here;
            all.first += start;
        } else {
            all.count += here.count;
        }
    }
    return all;
}

}  // namespace verify
