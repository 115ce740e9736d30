# Puts openapi.json into the program, so that what is served is what was tested.
set(description_file ${PROJECT_SOURCE_DIR}/daemon/api/openapi.json)
file(READ ${description_file} description)
set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY
  CMAKE_CONFIGURE_DEPENDS ${description_file})
configure_file(${PROJECT_SOURCE_DIR}/daemon/api/description.cpp.in
  ${CMAKE_BINARY_DIR}/generated/api/description.cpp @ONLY)
target_sources(lighterman_api PRIVATE ${CMAKE_BINARY_DIR}/generated/api/description.cpp)
