// Copies a part of a buffer: as many bytes are written as are read.
#version 450
layout(local_size_x = 256) in;
layout(push_constant) uniform Sizes {
    uint count;  // vectors in this part of the buffer
    uint first_word;
};
layout(std430, set = 0, binding = 0) readonly buffer From { uvec4 source[]; };
layout(std430, set = 0, binding = 1) writeonly buffer To { uvec4 target[]; };

void main() {
    const uint stride = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
    uint i = gl_GlobalInvocationID.x;
    for (; i + 3u * stride < count; i += 4u * stride) {
        const uvec4 a = source[i], b = source[i + stride], c = source[i + 2u * stride], d = source[i + 3u * stride];
        target[i] = a;
        target[i + stride] = b;
        target[i + 2u * stride] = c;
        target[i + 3u * stride] = d;
    }
    for (; i < count; i += stride) {
        target[i] = source[i];
    }
}
