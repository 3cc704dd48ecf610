# Generates the C++ classes of PROTOS from DESCRIPTORS into OUTPUT, with PROTOC and gRPC's PLUGIN.
#
# From a compiled set, since older compilers refuse the texts of the protos: they do not know the option debug_redact,
# but carry it along. They also find imports unused whose only use is in options, hence nothing is said on success.
set(new "${OUTPUT}.new")
file(REMOVE_RECURSE "${new}")
file(MAKE_DIRECTORY "${new}")
set(services ${PROTOS})
list(FILTER services INCLUDE REGEX "_service\\.proto$")
foreach(arguments IN ITEMS "--cpp_out=${new};${PROTOS}"
                           "--plugin=protoc-gen-grpc=${PLUGIN};--grpc_out=${new};${services}")
  execute_process(
    COMMAND "${PROTOC}" "--descriptor_set_in=${DESCRIPTORS}" ${arguments}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${output}")
  endif()
endforeach()

# The packages vapi.std.* become namespaces in which `std::` no longer means the standard library, while protoc writes
# `std::string`. It means `::std::string`.
file(GLOB_RECURSE sources "${new}/vapi/*.cc" "${new}/vapi/*.h")
foreach(source IN LISTS sources)
  file(READ "${source}" text)
  string(REGEX REPLACE "([^:A-Za-z0-9_])std::" "\\1::std::" text "${text}")
  file(WRITE "${source}" "${text}")
endforeach()

# Only what differs is written, so that a changed comment does not compile everything anew.
file(GLOB_RECURSE stale RELATIVE "${OUTPUT}" "${OUTPUT}/*")
file(GLOB_RECURSE sources RELATIVE "${new}" "${new}/*")
foreach(source IN LISTS sources)
  configure_file("${new}/${source}" "${OUTPUT}/${source}" COPYONLY)
  list(REMOVE_ITEM stale "${source}")
endforeach()
foreach(source IN LISTS stale)
  file(REMOVE "${OUTPUT}/${source}")
endforeach()
file(REMOVE_RECURSE "${new}")
