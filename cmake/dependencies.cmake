# What the harness, or properties alone, need from the system, each with the Debian package that brings it. Nothing is
# downloaded. Defines, besides each package's own targets:
#   truenorm::torch          LibTorch; TRUENORM_TORCH_VERSION; TRUENORM_TORCH_OPTIONS for the one
#                            source file that includes its headers
#   LibZip::LibZip           libzip
#   DNNL::dnnl               oneDNN, when there is one; TRUENORM_DNNL_VERSION, else empty

function(truenorm_not_found what package)
  message(FATAL_ERROR "${what} was not found. On Debian: apt-get install ${package}\n"
    "`./run` installs everything that is missing. For the library alone: "
    "-DTRUENORM_HARNESS=OFF -DTRUENORM_PROPS=OFF")
endfunction()

set(needs "")
if(TRUENORM_HARNESS)
  list(APPEND needs nlohmann_json:nlohmann-json3-dev)
endif()
if(NOT TRUENORM_FUZZ_ONLY)
  list(APPEND needs rapidcheck:librapidcheck-dev GTest:libgtest-dev)
  if(TRUENORM_HARNESS)
    list(APPEND needs fmt:libfmt-dev CLI11:libcli11-dev benchmark:libbenchmark-dev)
  endif()
endif()
foreach(need IN LISTS needs)
  string(REPLACE ":" ";" need "${need}")
  list(GET need 0 name)
  list(GET need 1 package)
  find_package(${name} CONFIG QUIET)
  if(NOT ${name}_FOUND)
    truenorm_not_found(${name} ${package})
  endif()
endforeach()
find_package(Threads REQUIRED)
if(TRUENORM_FUZZ_ONLY OR NOT TRUENORM_HARNESS)
  return()
endif()
find_package(SQLite3 QUIET)
if(NOT SQLite3_FOUND)
  truenorm_not_found(SQLite3 libsqlite3-dev)
endif()

# Where libzip's programs are not installed, which are packages of their own on Debian, its package file
# is an error: the library and its header are looked up directly.
find_library(LIBZIP_LIBRARY zip)
find_path(LIBZIP_INCLUDE_DIR zip.h)
mark_as_advanced(LIBZIP_LIBRARY LIBZIP_INCLUDE_DIR)
if(NOT LIBZIP_LIBRARY OR NOT LIBZIP_INCLUDE_DIR)
  truenorm_not_found(libzip libzip-dev)
endif()
add_library(LibZip::LibZip UNKNOWN IMPORTED)
set_target_properties(LibZip::LibZip PROPERTIES IMPORTED_LOCATION "${LIBZIP_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${LIBZIP_INCLUDE_DIR}")

# LibTorch's own package file talks much, warns of static libraries that a shared build does not
# have (Debian 13), leaves variables behind, and its targets put /usr/include among the -isystem
# folders. So it is read inside a function, and one clean target is made of it.
function(truenorm_find_torch)
  set(CMAKE_MESSAGE_LOG_LEVEL ERROR)
  find_package(Torch CONFIG QUIET)
  if(NOT Torch_FOUND)
    truenorm_not_found("LibTorch, which conformance is judged against," libtorch-dev)
  endif()
  list(REMOVE_ITEM TORCH_INCLUDE_DIRS ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})
  add_library(truenorm::torch INTERFACE IMPORTED)
  target_include_directories(truenorm::torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
  # Its macros write __FILE__ into what is built with it: no program names this tree.
  target_compile_options(truenorm::torch INTERFACE ${TORCH_CXX_FLAGS}
    "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
  target_link_libraries(truenorm::torch INTERFACE
    $<TARGET_FILE:torch_cpu> $<TARGET_FILE:c10> Threads::Threads)
  set(TRUENORM_TORCH_VERSION "${Torch_VERSION}" PARENT_SCOPE)
  # LibTorch 1's headers need std::vector of an incomplete type; where vector is constexpr (C++20,
  # GCC 12's library), clang does not have that.
  set(options "")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND Torch_VERSION VERSION_LESS 2)
    set(options -std=c++17)
  endif()
  set(TRUENORM_TORCH_OPTIONS "${options}" PARENT_SCOPE)
endfunction()
truenorm_find_torch()

# oneDNN's package file insists on OpenCL's headers (Debian 12), which its CPU interface does not
# use: the library and its header are looked up directly.
function(truenorm_find_dnnl)
  find_library(DNNL_LIBRARY dnnl)
  find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
  mark_as_advanced(DNNL_LIBRARY DNNL_INCLUDE_DIR)
  set(version "")
  if(DNNL_LIBRARY AND DNNL_INCLUDE_DIR)
    file(STRINGS "${DNNL_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h" lines
      REGEX "define DNNL_VERSION_(MAJOR|MINOR|PATCH)")
    string(REGEX MATCHALL "[0-9]+" version "${lines}")
    list(JOIN version "." version)
    add_library(DNNL::dnnl UNKNOWN IMPORTED)
    set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION "${DNNL_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${DNNL_INCLUDE_DIR}")
  endif()
  set(TRUENORM_DNNL_VERSION "${version}" PARENT_SCOPE)
endfunction()
truenorm_find_dnnl()

set(onednn "${TRUENORM_DNNL_VERSION}")
if(NOT onednn)
  set(onednn "not found (libdnnl-dev): that player will say so")
endif()
message(STATUS "LibTorch ${TRUENORM_TORCH_VERSION}; oneDNN ${onednn}; Highway ${hwy_VERSION}; "
  "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, ${CMAKE_BUILD_TYPE}")
