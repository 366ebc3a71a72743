# truenorm_harness_headers(<target> <header>...): the target's public headers, relative to this folder.
# Others include them as "truenorm/harness/<header>", here by links in the build folder, where Truenorm is
# installed as files. Truenorm itself includes them by their names alone.
function(truenorm_harness_headers target)
  set(folder "${PROJECT_BINARY_DIR}/include/truenorm/harness")
  foreach(header IN LISTS ARGN)
    cmake_path(GET header PARENT_PATH within)
    file(MAKE_DIRECTORY "${folder}/${within}")
    file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}/${header}" "${folder}/${header}" SYMBOLIC)
    if(TRUENORM_INSTALL)
      install(FILES "${header}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/truenorm/harness/${within}"
        COMPONENT props-dev)
    endif()
  endforeach()
  set(scope PRIVATE)
  if(TRUENORM_HARNESS)
    set(scope PUBLIC)
  endif()
  target_include_directories(${target}
    ${scope} "$<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}>"
    INTERFACE "$<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_compile_features(${target} INTERFACE cxx_std_20)
endfunction()
