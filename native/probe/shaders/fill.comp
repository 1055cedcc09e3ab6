// Word i of the buffer becomes i * FACTOR + 1, mod 2^32: the host knows the sum of any part of it without reading it.
#version 450
layout(local_size_x = 256) in;
layout(push_constant) uniform Sizes {
    uint count;       // vectors in this part of the buffer
    uint first_word;  // number of its first word
};
layout(std430, set = 0, binding = 0) writeonly buffer Data { uvec4 data[]; };
const uint FACTOR = 2654435769u;

void main() {
    const uint stride = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
    for (uint i = gl_GlobalInvocationID.x; i < count; i += stride) {
        data[i] = (first_word + 4u * i + uvec4(0u, 1u, 2u, 3u)) * FACTOR + 1u;
    }
}
