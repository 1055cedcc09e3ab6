// y = W x with W in ROCmFP4: kernel_math.h in GLSL, which explains the order of things.
// BLOCK_BYTES: 17 (fast) or 18 (dual). INPUT_F16: x is packed halves instead of floats.
#version 450
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint ROWS = 4;
// For the tests: a kernel that takes the high nibble for the low one is what the check must find.
layout(constant_id = 2) const bool WRONG_NIBBLES = false;

layout(push_constant) uniform Sizes {
    uint rows;
    uint slots;  // of a row; eight weights each
};
layout(std430, set = 0, binding = 0) readonly buffer Weights { uint words[]; };
#if INPUT_F16
layout(std430, set = 0, binding = 1) readonly buffer Input { uvec2 x[]; };
#else
layout(std430, set = 0, binding = 1) readonly buffer Input { vec4 x[]; };
#endif
layout(std430, set = 0, binding = 2) writeonly buffer Result { float y[]; };

shared float values[16];
shared float parts[gl_WorkGroupSize.x * ROWS];  // of each subgroup; a subgroup may be as small as one lane

vec4 numbers(uint index) {
#if INPUT_F16
    const uvec2 packed = x[index];
    return vec4(unpackHalf2x16(packed.x), unpackHalf2x16(packed.y));
#else
    return x[index];
#endif
}

float code_value(uint code) {
    const uint m = code & 7u;
    const float magnitude = float(max(m, 2u * m - min(4u, 2u * m)));
    return (code & 8u) != 0u ? -magnitude : magnitude;
}

float scale_value(uint byte) {
    const uint e = byte >> 3;
    const float power = uintBitsToFloat((max(e, 1u) + 116u) << 23);  // 2^(e-11)
    const float mantissa = float((byte & 7u) + (e == 0u ? 0u : 8u));
    return byte > 0x7eu ? 0.0 : mantissa * power;
}

vec4 four_values(uint codes) {
    return vec4(values[codes & 15u], values[codes >> 8 & 15u], values[codes >> 16 & 15u], values[codes >> 24 & 15u]);
}

// Where the bytes of a slot are in every row, which is whole words.
struct Place {
    uint word;  // the slot's first, of the row's
    uint shift;
    uint scale_word;  // a block's scale bytes never cross a word
    uint scale_shift;
};

Place place_of(uint slot) {
    const uint block = (slot >> 2) * BLOCK_BYTES;
    const uint at = block + (slot & 3u) * 4u;
    return Place(at >> 2, (at & 3u) * 8u, (block + 16u) >> 2, ((block + 16u) & 3u) * 8u);
}

float slot_product(uint row, Place place, vec4 x_low, vec4 x_high) {
    const uint first = words[row + place.word];
    const uint second = words[row + place.word + 1u];
    uint codes = first >> place.shift | second << 1 << (31u ^ place.shift);  // a shift by 32 is undefined
    if (WRONG_NIBBLES) {
        codes = (codes & 0x0f0f0f0fu) << 4 | (codes >> 4 & 0x0f0f0f0fu);
    }
    const uint scales = words[row + place.scale_word] >> place.scale_shift;
    const float low = dot(four_values(codes), x_low);
    const float high = dot(four_values(codes >> 4), x_high);
#if BLOCK_BYTES == 17
    return (low + high) * scale_value(scales & 255u);
#else
    return low * scale_value(scales & 255u) + high * scale_value(scales >> 8 & 255u);
#endif
}

void main() {
    const uint lane = gl_LocalInvocationID.x;
    if (lane < 16u) {
        values[lane] = code_value(lane);
    }
    barrier();
    const uint first = gl_WorkGroupID.x * ROWS;
    const uint row_words = (slots >> 4) * BLOCK_BYTES;  // four blocks are BLOCK_BYTES words
    float sums[ROWS];
    for (uint r = 0u; r < ROWS; ++r) {
        sums[r] = 0.0;
    }
    for (uint slot = lane; slot < slots; slot += gl_WorkGroupSize.x) {
        const Place place = place_of(slot);
        const uint index = (slot >> 2) * 8u + (slot & 3u);
        const vec4 x_low = numbers(index);
        const vec4 x_high = numbers(index + 4u);
        for (uint r = 0u; r < ROWS; ++r) {
            sums[r] += slot_product(min(first + r, rows - 1u) * row_words, place, x_low, x_high);
        }
    }
    for (uint r = 0u; r < ROWS; ++r) {
        const float sum = subgroupAdd(sums[r]);
        if (subgroupElect()) {
            parts[gl_SubgroupID * ROWS + r] = sum;
        }
    }
    barrier();
    if (lane < ROWS && first + lane < rows) {
        float sum = 0.0;
        for (uint s = 0u; s < gl_NumSubgroups; ++s) {
            sum += parts[s * ROWS + lane];
        }
        y[first + lane] = sum;
    }
}
