// make-model FILE.gguf GIB: a file with the tensors of some layers of a 27B qwen35 model, quantised by our codec.
//
// The types are those of Q4_0_ROCMFP4_STRIX with f16 embeddings. Weights are random with the spread of trained ones;
// 4 Mi of them are quantised for each type and then repeated, since how fast a file is checked does not depend on them.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "gguf/reader.hpp"
#include "rocmfp4/codec.hpp"

namespace {

constexpr std::uint32_t f32 = 0;
constexpr std::uint32_t f16 = 1;
constexpr std::uint32_t dual = 100;
constexpr std::uint32_t fast = 101;
constexpr std::size_t slab_weights = std::size_t{4} << 20;

struct Shape {
    std::string name;
    std::uint32_t type;
    std::uint64_t row;
    std::uint64_t rows;
};

std::uint64_t bytes_of(const Shape& shape) {
    const gguf::Type* type = gguf::find_type(shape.type);
    return shape.row * shape.rows / type->block * type->bytes;
}

void add_layer(std::vector<Shape>& shapes, int layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    shapes.push_back({prefix + "attn_norm.weight", f32, 5120, 1});
    shapes.push_back({prefix + "attn_qkv.weight", dual, 5120, 10240});
    shapes.push_back({prefix + "ssm_out.weight", fast, 6144, 5120});
    shapes.push_back({prefix + "ffn_down.weight", fast, 17408, 5120});
    shapes.push_back({prefix + "ffn_gate.weight", fast, 5120, 17408});
    shapes.push_back({prefix + "ffn_up.weight", fast, 5120, 17408});
}

/// Layers until the file has `bytes` bytes.
std::vector<Shape> shapes_of(std::uint64_t bytes) {
    std::vector<Shape> shapes = {{"token_embd.weight", f16, 5120, 16384}};
    std::uint64_t sum = bytes_of(shapes[0]);
    for (int layer = 0; sum < bytes; ++layer) {
        const std::size_t before = shapes.size();
        add_layer(shapes, layer);
        for (std::size_t i = before; i < shapes.size(); ++i) {
            sum += bytes_of(shapes[i]);
        }
    }
    return shapes;
}

template <typename Number>
void put(std::string& out, Number number) {
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void put_text(std::string& out, const std::string& text) {
    put(out, std::uint64_t{text.size()});
    out += text;
}

std::string header_of(const std::vector<Shape>& shapes) {
    std::string out = "GGUF";
    put(out, std::uint32_t{3});
    put(out, std::uint64_t{shapes.size()});
    put(out, std::uint64_t{2});
    put_text(out, "general.architecture");
    put(out, std::uint32_t{8});
    put_text(out, "qwen35");
    put_text(out, "general.file_type");
    put(out, std::uint32_t{4});
    put(out, std::uint32_t{105});
    std::uint64_t offset = 0;
    for (const Shape& shape : shapes) {
        put_text(out, shape.name);
        put(out, std::uint32_t{2});
        put(out, shape.row);
        put(out, shape.rows);
        put(out, shape.type);
        put(out, offset);
        offset = gguf::align_up(offset + bytes_of(shape), 32);
    }
    out.resize(static_cast<std::size_t>(gguf::align_up(out.size(), 32)));
    return out;
}

std::string slab_of(std::uint32_t type, const std::vector<float>& weights) {
    if (type == f32) {
        std::string out(weights.size() * sizeof(float), '\0');
        std::memcpy(out.data(), weights.data(), out.size());
        return out;
    }
    if (type == f16) {
        // 1.0 with some fraction bits: any finite number does.
        std::string out;
        for (std::size_t i = 0; i < weights.size(); ++i) {
            put(out, static_cast<std::uint16_t>(0x3c00 + i % 1024));
        }
        return out;
    }
    const auto layout = static_cast<rocmfp4::Layout>(type);
    std::string out(weights.size() / rocmfp4::block_weights * rocmfp4::block_bytes(layout), '\0');
    rocmfp4::quantise(layout, weights.data(), weights.size(), nullptr, reinterpret_cast<std::uint8_t*>(out.data()));
    return out;
}

void write_weights(std::ofstream& file, std::uint64_t bytes, const std::string& slab) {
    const std::uint64_t padded = gguf::align_up(bytes, 32);
    std::uint64_t left = bytes;
    while (left > 0) {
        const std::uint64_t part = left < slab.size() ? left : slab.size();
        file.write(slab.data(), static_cast<std::streamsize>(part));
        left -= part;
    }
    const std::string padding(static_cast<std::size_t>(padded - bytes), '\0');
    file << padding;
}

}  // namespace

int main(int argc, char** argv) {
    const double gib = argc == 3 ? std::atof(argv[2]) : 0.0;
    if (gib <= 0.0 || gib > 1024.0) {
        std::fputs("usage: make-model FILE.gguf GIB\n", stderr);
        return 2;
    }
    const std::vector<Shape> shapes = shapes_of(static_cast<std::uint64_t>(gib * 1024.0 * 1024.0 * 1024.0));
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0.0F, 0.02F);
    std::vector<float> weights(slab_weights);
    for (float& weight : weights) {
        weight = normal(random);
    }
    std::ofstream file(argv[1], std::ios::binary | std::ios::trunc);
    file << header_of(shapes);
    const std::string slabs[] = {slab_of(f32, weights), slab_of(f16, weights), slab_of(dual, weights),
                                 slab_of(fast, weights)};
    for (const Shape& shape : shapes) {
        write_weights(file, bytes_of(shape), slabs[shape.type < dual ? shape.type : shape.type - dual + 2]);
    }
    file.close();
    if (!file) {
        std::fprintf(stderr, "make-model: %s could not be written\n", argv[1]);
        return 1;
    }
    return 0;
}
