# The Vulkan backend: shaders to SPIR-V by glslc, or taken from STRIX_PROBE_SPIRV_DIR, and embedded.
set(names fill read copy matvec_fast_f32 matvec_fast_f16 matvec_dual_f32 matvec_dual_f16)
if(STRIX_PROBE_SPIRV_DIR)
  get_filename_component(spirv "${STRIX_PROBE_SPIRV_DIR}" ABSOLUTE)
else()
  set(spirv "${CMAKE_CURRENT_BINARY_DIR}/spirv")
  file(MAKE_DIRECTORY "${spirv}")
endif()
set(compiled)
foreach(name IN LISTS names)
  list(APPEND compiled "${spirv}/${name}.spv")
  if(NOT STRIX_PROBE_SPIRV_DIR)
    set(source "${CMAKE_CURRENT_SOURCE_DIR}/shaders/${name}.comp")
    set(defines)
    if(name MATCHES "^matvec_(fast|dual)_(f32|f16)$")
      set(source "${CMAKE_CURRENT_SOURCE_DIR}/shaders/matvec.comp")
      list(APPEND defines -DBLOCK_BYTES=$<IF:$<STREQUAL:${CMAKE_MATCH_1},fast>,17,18>
        -DINPUT_F16=$<IF:$<STREQUAL:${CMAKE_MATCH_2},f16>,1,0>)
    endif()
    add_custom_command(OUTPUT "${spirv}/${name}.spv"
      COMMAND "${GLSLC}" --target-env=vulkan1.2 -O -Werror ${defines} "${source}" -o "${spirv}/${name}.spv"
      DEPENDS "${source}" VERBATIM)
  endif()
endforeach()
string(REPLACE ";" "," joined "${names}")
set(embedded "${CMAKE_CURRENT_BINARY_DIR}/shaders.cpp")
add_custom_command(OUTPUT "${embedded}"
  COMMAND "${CMAKE_COMMAND}" -DOUTPUT=${embedded} -DFOLDER=${spirv} -DNAMES=${joined}
    -P "${CMAKE_CURRENT_SOURCE_DIR}/cmake/embed.cmake"
  DEPENDS ${compiled} "${CMAKE_CURRENT_SOURCE_DIR}/cmake/embed.cmake" VERBATIM)

target_sources(strix_probe_parts PRIVATE vulkan/context.cpp vulkan/matvec.cpp vulkan/program.cpp vulkan/stream.cpp
  vulkan/vulkan_device.cpp "${embedded}")
target_include_directories(strix_probe_parts PRIVATE vulkan)
target_compile_definitions(strix_probe_parts PRIVATE PROBE_VULKAN)
target_link_libraries(strix_probe_parts PRIVATE Vulkan::Vulkan)
