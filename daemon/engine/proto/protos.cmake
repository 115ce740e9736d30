# Generates BuildKit's messages and services into the build folder. They are a library of their own,
# because generated code keeps neither our warnings nor our lint.
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

set(proto_folder ${PROJECT_SOURCE_DIR}/daemon/engine/proto)
set(generated_root ${CMAKE_BINARY_DIR}/generated)
set(generated_folder ${generated_root}/proto)
file(MAKE_DIRECTORY ${generated_folder})

set(generated_sources)
foreach(name status control auth secrets health filesync ssh)
  set(outputs ${generated_folder}/${name}.pb.cc ${generated_folder}/${name}.pb.h)
  set(services)
  if(NOT name STREQUAL "status")
    list(APPEND outputs
      ${generated_folder}/${name}.grpc.pb.cc ${generated_folder}/${name}.grpc.pb.h)
    set(services --grpc_out=${generated_folder} --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN})
  endif()
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND protobuf::protoc -I ${proto_folder} --cpp_out=${generated_folder} ${services}
      ${proto_folder}/${name}.proto
    DEPENDS ${proto_folder}/${name}.proto
    COMMENT "Generating ${name}.proto"
    VERBATIM)
  list(APPEND generated_sources ${outputs})
endforeach()

add_library(lighterman_engine_proto STATIC ${generated_sources})
target_include_directories(lighterman_engine_proto SYSTEM PUBLIC ${generated_root})
# The generated sources include each other without a folder.
target_include_directories(lighterman_engine_proto PRIVATE ${generated_folder})
target_compile_options(lighterman_engine_proto PRIVATE -w)
target_link_libraries(lighterman_engine_proto PUBLIC lighterman_grpc)
if(LIGHTERMAN_SANITIZE)
  target_compile_options(lighterman_engine_proto PRIVATE
    -fsanitize=${LIGHTERMAN_SANITIZE} -fno-omit-frame-pointer)
endif()
target_link_libraries(lighterman_engine PRIVATE lighterman_engine_proto)
