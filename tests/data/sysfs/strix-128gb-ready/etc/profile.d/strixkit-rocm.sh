# Of strixkit, for people who build for ROCm or run on ROCm0 by hand; services have it in their units.

# ROCm takes the GPU for gfx1151, which not every ROCm recognises by itself. Another value is another GPU's.
export HSA_OVERRIDE_GFX_VERSION=11.5.1

# HIP allocates from all unified memory. Only its presence is tested: 0 turns it on too, so unset it to turn it off.
export GGML_HIP_ENABLE_UNIFIED_MEMORY=1
