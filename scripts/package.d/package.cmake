# The Debian package, which scripts/package builds.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY TRUE)  # a package needs no tests
set(package_folder ${PROJECT_SOURCE_DIR}/scripts/package.d)

install(TARGETS lighterman RUNTIME DESTINATION bin)
# What the program says of itself.
install(CODE "
  set(program \"$<TARGET_FILE:lighterman>\")
  set(share \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share\")
  # written(FILE WORD...): what the program prints when it is asked with these words.
  function(written file)
    get_filename_component(folder \"\${file}\" DIRECTORY)
    file(MAKE_DIRECTORY \"\${folder}\")
    execute_process(COMMAND \"\${program}\" \${ARGN} OUTPUT_FILE \"\${file}\" COMMAND_ERROR_IS_FATAL ANY)
  endfunction()
  written(\"\${share}/man/man1/lighterman.1\" man)
  execute_process(COMMAND gzip -9nf \"\${share}/man/man1/lighterman.1\" COMMAND_ERROR_IS_FATAL ANY)
  written(\"\${share}/bash-completion/completions/lighterman\" completion bash)
  written(\"\${share}/zsh/vendor-completions/_lighterman\" completion zsh)
  written(\"\${share}/fish/vendor_completions.d/lighterman.fish\" completion fish)
  written(\"\${share}/lighterman/lighterman.schema.json\" schema)
")
install(FILES examples/lighterman.yml examples/minimal.yml DESTINATION share/doc/lighterman/examples)
install(FILES LICENSE DESTINATION share/doc/lighterman RENAME copyright)
install(DIRECTORY examples/monitoring DESTINATION share/doc/lighterman/examples)
file(READ examples/lighterman.service unit)
string(REPLACE /usr/local/bin/ /usr/bin/ unit "${unit}")
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/package/lighterman.service CONTENT "${unit}" @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/lighterman.service examples/lighterman.socket
  DESTINATION /lib/systemd/system)
install(FILES ${package_folder}/lighterman.yml DESTINATION /etc/lighterman)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/package/conffiles CONTENT "/etc/lighterman/lighterman.yml\n" @ONLY)

set(CPACK_GENERATOR DEB)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME lighterman)
set(CPACK_PACKAGE_VENDOR Lighterman)
set(CPACK_PACKAGE_CONTACT "The Lighterman authors <lighterman@lighterman.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "turns a git push into a published container image")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
  "Builds by the Docker Engine, lets Lua plugins decide, and sends to the registry only the layers that changed.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates, git")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "docker.io | docker-ce, git-lfs, openssh-client")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/package/conffiles
  ${package_folder}/postinst ${package_folder}/prerm ${package_folder}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
