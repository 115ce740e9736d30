# Puts the plugins that ship into the program, so that a single installed file always has them.
file(GLOB plugin_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/plugins/*.lua)
list(FILTER plugin_files EXCLUDE REGEX "_spec\\.lua$")
list(SORT plugin_files)
set(plugins "")
foreach(plugin_file ${plugin_files})
  get_filename_component(name ${plugin_file} NAME_WLE)
  file_bytes(${plugin_file} bytes size)
  string(APPEND plugins "      {\"${name}\", {\"${bytes}\", ${size}}},\n")
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/daemon/policy/shipped.cpp.in
  ${CMAKE_BINARY_DIR}/generated/policy/shipped.cpp @ONLY)
target_sources(lighterman_policy PRIVATE ${CMAKE_BINARY_DIR}/generated/policy/shipped.cpp)
