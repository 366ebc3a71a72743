# The command as it is installed, and Debian packages of all that is:
#   cmake --workflow --preset package
# LibTorch, oneDNN and the rest are those of the Debian that this runs on; a package is for that one.

# Libraries that are not where the system looks, such as LibTorch of pytorch.org's archive, are found there.
set_target_properties(truenorm-libtorch truenorm-bench PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS truenorm truenorm-libtorch truenorm-bench truenorm-history RUNTIME COMPONENT command)
truenorm_install_papers(command truenorm)
install(FILES "${CMAKE_CURRENT_LIST_DIR}/completion/truenorm"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" COMPONENT command)

# The page documents what is installed, which truenorm-fuzz and its targets are not.
set(man_page "${PROJECT_BINARY_DIR}/share/man/man1/truenorm.1")
add_custom_command(OUTPUT "${man_page}" VERBATIM
  COMMAND "${CMAKE_CURRENT_LIST_DIR}/man_page" $<TARGET_FILE:truenorm> "${man_page}"
  DEPENDS truenorm truenorm-bench truenorm-history "${CMAKE_CURRENT_LIST_DIR}/man_page")
add_custom_target(man_page ALL DEPENDS "${man_page}")
install(FILES "${man_page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT command)
add_custom_target(package_contents DEPENDS truenorm truenorm-libtorch truenorm-bench truenorm-history
  truenorm_bn truenorm_oracle truenorm_props man_page)
if(TRUENORM_HAS_MPI)
  add_dependencies(package_contents truenorm_mpi)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "Truenorm contributors <truenorm@truenorm.invalid>")
set(CPACK_PACKAGE_NAME truenorm)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL command corpus bn-dev props-dev)
set(CPACK_COMPONENTS_GROUPING IGNORE) # a package for each component
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME truenorm)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION math)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMMAND_PACKAGE_DEPENDS "truenorm-corpus (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_CORPUS_PACKAGE_NAME truenorm-corpus)
set(CPACK_DEBIAN_CORPUS_PACKAGE_SECTION math)
set(CPACK_DEBIAN_CORPUS_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_BN-DEV_PACKAGE_NAME libtruenorm-dev)
set(CPACK_DEBIAN_BN-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_BN-DEV_PACKAGE_DEPENDS libhwy-dev)
set(CPACK_DEBIAN_PROPS-DEV_PACKAGE_NAME libtruenorm-props-dev)
set(CPACK_DEBIAN_PROPS-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PROPS-DEV_PACKAGE_DEPENDS
  "libtruenorm-dev (= ${PROJECT_VERSION}), truenorm-corpus (= ${PROJECT_VERSION}), libgtest-dev, librapidcheck-dev")
set(CPACK_COMPONENT_COMMAND_DESCRIPTION "The command truenorm, LibTorch as a player, the benchmark")
set(CPACK_COMPONENT_CORPUS_DESCRIPTION "Cases that are always played, LibTorch's divergences, published vectors")
set(CPACK_COMPONENT_BN-DEV_DESCRIPTION "truenorm::bn, and the interface for plugins")
set(CPACK_COMPONENT_PROPS-DEV_DESCRIPTION "truenorm::oracle and truenorm::props")
include(CPack)

# truenorm_package_test(<name> <label> <script> <argument>...), and package.<name>.can_fail
function(truenorm_package_test name label script)
  foreach(self_test IN ITEMS "" --self-test)
    set(test package.${name})
    if(self_test)
      string(APPEND test .can_fail)
    endif()
    add_test(NAME ${test} COMMAND "${PROJECT_SOURCE_DIR}/cmake/${script}" ${self_test} ${ARGN})
    set_tests_properties(${test} PROPERTIES LABELS ${label} TIMEOUT 300)
  endforeach()
endfunction()
truenorm_package_test(words quick command_test $<TARGET_FILE:truenorm> "${man_page}"
  "${PROJECT_SOURCE_DIR}/cmake/completion/truenorm")
truenorm_package_test(install torch install_test "${PROJECT_BINARY_DIR}")
if(CMAKE_BUILD_TYPE STREQUAL "Release") # sanitizers add symbols and libraries
  truenorm_package_test(symbols quick symbols_test $<TARGET_FILE:truenorm_bn>)
  add_test(NAME package.deb COMMAND "${PROJECT_SOURCE_DIR}/cmake/install_test" --deb "${PROJECT_BINARY_DIR}")
  set_tests_properties(package.deb PROPERTIES LABELS torch TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
