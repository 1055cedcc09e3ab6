# cmake -DOUTPUT=FILE -DFOLDER=FOLDER -DNAMES=a,b -P embed.cmake: FOLDER/a.spv, FOLDER/b.spv as C++ in FILE.
set(text "#include \"shaders.hpp\"\n\nnamespace probe::vulkan::shaders {\n")
string(REPLACE "," ";" names "${NAMES}")
foreach(name IN LISTS names)
  file(READ "${FOLDER}/${name}.spv" bytes HEX)
  # SPIR-V is made of little-endian 32-bit words.
  if(NOT bytes MATCHES "^03022307")
    message(FATAL_ERROR "${FOLDER}/${name}.spv is not SPIR-V")
  endif()
  string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1," words "${bytes}")
  string(APPEND text "static const std::uint32_t ${name}_words[] = {${words}};\n"
    "const Code ${name} = {${name}_words, sizeof ${name}_words / sizeof ${name}_words[0]};\n")
endforeach()
string(APPEND text "}  // namespace probe::vulkan::shaders\n")
file(WRITE "${OUTPUT}" "${text}")
