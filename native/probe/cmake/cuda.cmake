# The HIP backend by nvcc: the same kernels on an NVIDIA GPU, a test of what cannot be run without one of AMD's.
find_program(NVCC nvcc HINTS /usr/local/cuda/bin REQUIRED)
get_filename_component(cuda_bin "${NVCC}" DIRECTORY)
set(cuda_object "${CMAKE_CURRENT_BINARY_DIR}/cuda_device.o")
add_custom_command(OUTPUT "${cuda_object}"
  COMMAND "${NVCC}" -x cu -std=c++17 -O3 -arch=${STRIX_PROBE_CUDA_ARCH} -DPROBE_HIP_AS_CUDA
    -I "${CMAKE_CURRENT_SOURCE_DIR}" -I "${CMAKE_CURRENT_SOURCE_DIR}/../rocmfp4/include"
    -c "${CMAKE_CURRENT_SOURCE_DIR}/hip/hip_device.hip.cpp" -o "${cuda_object}"
  DEPENDS hip/hip_device.hip.cpp hip/cuda_as_hip.h kernel_math.h device.hpp shapes.hpp
  VERBATIM)
find_library(CUDART NAMES cudart_static HINTS "${cuda_bin}/../lib64" "${cuda_bin}/../lib" REQUIRED)
target_sources(strix_probe_parts PRIVATE "${cuda_object}")
target_compile_definitions(strix_probe_parts PRIVATE PROBE_HIP)
target_link_libraries(strix_probe_parts PUBLIC "${CUDART}" rt ${CMAKE_DL_LIBS})
