# The HIP backend, by hipcc itself: CMake's own HIP language wants packages that a distribution's hipcc comes without.
set(hip_object "${CMAKE_CURRENT_BINARY_DIR}/hip_device.o")
string(REPLACE "," ";" architectures "${STRIX_PROBE_HIP_ARCH}")
list(TRANSFORM architectures PREPEND --offload-arch=)
add_custom_command(OUTPUT "${hip_object}"
  COMMAND "${HIPCC}" -std=c++17 -O3 -Wall -Wextra ${architectures} -I "${CMAKE_CURRENT_SOURCE_DIR}"
    -I "${CMAKE_CURRENT_SOURCE_DIR}/../rocmfp4/include" -c "${CMAKE_CURRENT_SOURCE_DIR}/hip/hip_device.hip.cpp"
    -o "${hip_object}"
  DEPENDS hip/hip_device.hip.cpp kernel_math.h device.hpp shapes.hpp
  VERBATIM)
find_library(AMDHIP amdhip64 HINTS /opt/rocm/lib REQUIRED)
target_sources(strix_probe_parts PRIVATE "${hip_object}")
target_compile_definitions(strix_probe_parts PRIVATE PROBE_HIP)
target_link_libraries(strix_probe_parts PUBLIC "${AMDHIP}")
