# Puts the API's description together, of openapi/, and into the program, so that what is served is
# what was tested.
file(GLOB description_parts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/daemon/api/openapi/*.json)
set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY
  CMAKE_CONFIGURE_DEPENDS ${description_parts})
foreach(kind paths schemas)
  set(all_${kind} "")
endforeach()
foreach(part_path ${description_parts})
  file(READ ${part_path} part)
  if(part_path MATCHES "/openapi\\.json$")
    set(description "${part}")
    continue()
  endif()
  foreach(kind paths schemas)
    string(JSON members ERROR_VARIABLE missing GET "${part}" ${kind})
    if(NOT missing)
      # Without its braces.
      string(REGEX REPLACE "^{(.*)}$" "\\1" members "${members}")
      string(APPEND all_${kind} "${separator_${kind}}${members}")
      set(separator_${kind} ",")
    endif()
  endforeach()
endforeach()
foreach(kind paths schemas)
  string(REPLACE "\"${kind}\": {}" "\"${kind}\": {${all_${kind}}}" description "${description}")
endforeach()
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
