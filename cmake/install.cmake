# Installs truenorm::bn and truenorm::mpi, their public headers and the package that find_package(truenorm) reads.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/truenorm")
set_target_properties(truenorm_bn PROPERTIES EXPORT_NAME bn)
install(TARGETS truenorm_bn EXPORT truenormTargets FILE_SET HEADERS)
install(EXPORT truenormTargets NAMESPACE truenorm:: DESTINATION "${package_dir}")

# Apart, so that who wants truenorm::bn alone needs no MPI.
if(TRUENORM_HAS_MPI)
  set_target_properties(truenorm_mpi PROPERTIES EXPORT_NAME mpi)
  install(TARGETS truenorm_mpi EXPORT truenormMpiTargets FILE_SET HEADERS)
  install(EXPORT truenormMpiTargets NAMESPACE truenorm:: DESTINATION "${package_dir}")
endif()

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/truenormConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/truenormConfig.cmake" INSTALL_DESTINATION "${package_dir}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/truenormConfigVersion.cmake"
  COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/truenormConfig.cmake"
  "${PROJECT_BINARY_DIR}/truenormConfigVersion.cmake" DESTINATION "${package_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
