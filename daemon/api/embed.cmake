# Puts openapi.json into the program, so that what is served is what was tested.
set(description_file ${PROJECT_SOURCE_DIR}/daemon/api/openapi.json)
file(READ ${description_file} description)
set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY
  CMAKE_CONFIGURE_DEPENDS ${description_file})
configure_file(${PROJECT_SOURCE_DIR}/daemon/api/description.cpp.in
  ${CMAKE_BINARY_DIR}/generated/api/description.cpp @ONLY)
target_sources(lighterman_api PRIVATE ${CMAKE_BINARY_DIR}/generated/api/description.cpp)

# And the web page: what is served is what lies in page/.
file(GLOB page_paths CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/daemon/api/page/*)
set(page_files "")
foreach(page_path ${page_paths})
  get_filename_component(name ${page_path} NAME)
  file_bytes(${page_path} bytes size)
  string(APPEND page_files "      {\"${name}\", {\"${bytes}\", ${size}}},\n")
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/daemon/api/page_files.cpp.in
  ${CMAKE_BINARY_DIR}/generated/api/page_files.cpp @ONLY)
target_sources(lighterman_api PRIVATE ${CMAKE_BINARY_DIR}/generated/api/page_files.cpp)
