# What is installed, by component:
#   bn         the shared library, with BUILD_SHARED_LIBS
#   bn-dev     truenorm::bn for those who build with it; the interface for plugins
#              truenorm::mpi, where there is MPI
#   props-dev  truenorm::oracle and truenorm::props
#   corpus     what the command and properties play first
#   command    truenorm and the programs beside it (packages.cmake)
# No file names the prefix or the tree that it was built from.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/truenorm")
# Before 1.0 a minor version may break what is built on it.
set(soversion ${PROJECT_VERSION_MAJOR})
set(compatible SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(soversion "0.${PROJECT_VERSION_MINOR}")
  set(compatible SameMinorVersion)
endif()
set_target_properties(truenorm_bn PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${soversion})

# truenorm_install_library(<name> <target> <component>): under that name in find_package(truenorm COMPONENTS).
function(truenorm_install_library name target component)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS ${target} EXPORT truenorm-${name}
    LIBRARY COMPONENT bn NAMELINK_COMPONENT ${component} ARCHIVE COMPONENT ${component}
    FILE_SET HEADERS COMPONENT ${component})
  install(EXPORT truenorm-${name} NAMESPACE truenorm:: FILE truenorm-${name}-targets.cmake
    DESTINATION "${package_dir}" COMPONENT ${component})
endfunction()

truenorm_install_library(bn truenorm_bn bn-dev)
if(TRUENORM_HAS_MPI)
  truenorm_install_library(mpi truenorm_mpi bn-dev)
endif()
install(FILES "${PROJECT_SOURCE_DIR}/oracle/include/truenorm_plugin.h" TYPE INCLUDE COMPONENT bn-dev)

get_target_property(type truenorm_bn TYPE)
set(static OFF)
if(type STREQUAL "STATIC_LIBRARY")
  set(static ON)
endif()
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/truenormConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/truenormConfig.cmake" INSTALL_DESTINATION "${package_dir}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/truenormConfigVersion.cmake"
  COMPATIBILITY ${compatible})
install(FILES "${PROJECT_BINARY_DIR}/truenormConfig.cmake"
  "${PROJECT_BINARY_DIR}/truenormConfigVersion.cmake" DESTINATION "${package_dir}" COMPONENT bn-dev)

# pkg-config finds the prefix from where the file lies. A static library's users link what it is built on.
set(pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}/${pc_dir}"
  OUTPUT_VARIABLE pc_libdir)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR
  BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}/${pc_dir}" OUTPUT_VARIABLE pc_includedir)
set(pc_needs "")
set(pc_libs "")
if(static)
  set(pc_needs "Requires: libhwy")
  if(TRUENORM_OPENMP)
    set(pc_libs " ${OpenMP_CXX_FLAGS}")
  endif()
endif()
configure_file("${CMAKE_CURRENT_LIST_DIR}/truenorm.pc.in" "${PROJECT_BINARY_DIR}/truenorm.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/truenorm.pc" DESTINATION "${pc_dir}" COMPONENT bn-dev)

# Where Debian looks for them; a folder for each package.
function(truenorm_install_papers component package)
  set(folder "${CMAKE_INSTALL_DATAROOTDIR}/doc/${package}")
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${folder}" COMPONENT ${component}
    RENAME copyright)
  install(FILES "${PROJECT_SOURCE_DIR}/CHANGELOG.md" ${ARGN} DESTINATION "${folder}"
    COMPONENT ${component})
endfunction()
truenorm_install_papers(bn-dev libtruenorm-dev)
if(TRUENORM_PROPS)
  truenorm_install_papers(props-dev libtruenorm-props-dev)
  truenorm_install_papers(corpus truenorm-corpus "${PROJECT_SOURCE_DIR}/NOTICE")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/corpus" DESTINATION share/truenorm COMPONENT corpus
    PATTERN seeds EXCLUDE)
endif()
