// The shaders of ../shaders, compiled and embedded by the build.
#pragma once

#include "program.hpp"

namespace probe::vulkan::shaders {

extern const Code fill;
extern const Code read;
extern const Code copy;
extern const Code matvec_fast_f32;
extern const Code matvec_fast_f16;
extern const Code matvec_dual_f32;
extern const Code matvec_dual_f16;

}  // namespace probe::vulkan::shaders
