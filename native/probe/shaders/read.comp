// Reads a part of the buffer once: the sum of its words, mod 2^32, one for each workgroup.
#version 450
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
layout(local_size_x = 256) in;
layout(push_constant) uniform Sizes {
    uint count;  // vectors in this part of the buffer
    uint first_word;
};
layout(std430, set = 0, binding = 0) readonly buffer Data { uvec4 data[]; };
layout(std430, set = 0, binding = 1) writeonly buffer Sums { uint sums[]; };
shared uint total;

void main() {
    if (gl_LocalInvocationIndex == 0u) {
        total = 0u;
    }
    barrier();
    const uint stride = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
    uvec4 a = uvec4(0u), b = uvec4(0u), c = uvec4(0u), d = uvec4(0u);
    uint i = gl_GlobalInvocationID.x;
    for (; i + 3u * stride < count; i += 4u * stride) {
        a += data[i];
        b += data[i + stride];
        c += data[i + 2u * stride];
        d += data[i + 3u * stride];
    }
    for (; i < count; i += stride) {
        a += data[i];
    }
    a += b + c + d;
    const uint sum = subgroupAdd(a.x + a.y + a.z + a.w);
    if (subgroupElect()) {
        atomicAdd(total, sum);
    }
    barrier();
    if (gl_LocalInvocationIndex == 0u) {
        sums[gl_WorkGroupID.x] = total;
    }
}
