# truenorm_target(<target>...): what every target of ours is compiled with, for itself alone
# (PRIVATE: nothing reaches a consumer).
#
#  - C++20.
#  - No contraction: a*b+c is two roundings wherever the source says so. GCC's default would fuse
#    it on machines with FMA, and then neither the library's bits nor the judge's would be the
#    same everywhere.
#  - In a build for a fuzzing engine: comparisons are not traced. They tell words that inputs of
#    bytes may lack, which dictionaries and mutators of typed cases have, and cost a fifth of the time.
#  - Warnings at the top level; errors with TRUENORM_WERROR.
function(truenorm_target)
  set(warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  set(cxx_warnings -Wnon-virtual-dtor -Woverloaded-virtual)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    list(APPEND cxx_warnings -Wno-restrict) # false alarms on std::string (GCC bug 105651)
  endif()
  if(TRUENORM_WERROR)
    list(APPEND warnings -Werror)
  endif()
  foreach(target IN LISTS ARGN)
    target_compile_features(${target} PRIVATE cxx_std_20)
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
    target_compile_options(${target} PRIVATE -ffp-contract=off)
    if(TRUENORM_FUZZ_ENGINE AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      target_compile_options(${target} PRIVATE -fno-sanitize-coverage=trace-cmp)
    endif()
    if(PROJECT_IS_TOP_LEVEL)
      target_compile_options(${target} PRIVATE
        ${warnings} "$<$<COMPILE_LANGUAGE:CXX>:${cxx_warnings}>")
    endif()
  endforeach()
endfunction()

# truenorm_unguided(<target> [<source>...]): in a build for a fuzzing engine, these sources (default:
# all of the target's) do not guide it. Coverage of the judge would drown that of the judged.
function(truenorm_unguided target)
  if(NOT TRUENORM_FUZZ_ENGINE OR NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    return()
  endif()
  if(ARGN)
    set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize=fuzzer-no-link)
  else()
    target_compile_options(${target} PRIVATE -fno-sanitize=fuzzer-no-link)
  endif()
endfunction()

# truenorm_unsanitized(<source>...): in such a build, these sources of the judge's are not sanitized
# either: they take the greater part of the time, see no memory of the judged, and the preset asan
# tests them. MemorySanitizer needs all.
function(truenorm_unsanitized)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  if(TRUENORM_FUZZ_ENGINE AND CMAKE_CXX_COMPILER_ID MATCHES "Clang"
      AND NOT "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}}" MATCHES "memory")
    set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize=all)
  endif()
endfunction()

# truenorm_checked_by_calls(<source>...): AddressSanitizer checks these by calls rather than in line,
# UndefinedBehaviorSanitizer leaves out the pointers, whose memory the former checks, and in a build for
# a fuzzing engine the optimiser does the least. For sources that are many instructions: kernels.cc took
# clang 14 over ten minutes and takes two; GCC 12 takes 108 s, and 222 s where it checks in line.
function(truenorm_checked_by_calls)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  set(fuzzed FALSE)
  if(TRUENORM_FUZZ_ENGINE AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    set(fuzzed TRUE)
  elseif(NOT "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}}" MATCHES "sanitize=[a-z,-]*address")
    return()
  endif()
  set(by_calls --param=asan-instrumentation-with-call-threshold=0)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    set(by_calls -mllvm -asan-instrumentation-with-call-threshold=0)
  endif()
  set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS $<$<BOOL:${fuzzed}>:-O1> ${by_calls}
    -fno-sanitize=null,alignment,object-size,pointer-overflow,vptr)
endfunction()
