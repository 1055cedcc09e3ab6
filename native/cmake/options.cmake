# What every target is compiled with. Link strix_options privately.
add_library(strix_options INTERFACE)
target_compile_options(strix_options INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
if(STRIX_WERROR)
  target_compile_options(strix_options INTERFACE -Werror)
endif()
# Results are promised bit for bit: a product and a sum are never fused into one rounding.
target_compile_options(strix_options INTERFACE -ffp-contract=off)

if(STRIX_FUZZ AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "STRIX_FUZZ needs clang, found ${CMAKE_CXX_COMPILER_ID}: add -DCMAKE_CXX_COMPILER=clang++")
endif()
if(STRIX_SANITIZE OR STRIX_FUZZ)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=address,undefined)
endif()
if(STRIX_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
