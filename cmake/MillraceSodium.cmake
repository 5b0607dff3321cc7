# The target millrace::sodium: libsodium, for sealed payloads (base/seal.h).
#
# The static library where there is one, so that the modules depend on nothing at run time; the bindings' export lists
# keep its symbols inside. -DMILLRACE_SODIUM_LIBRARY=PATH names another one.
find_path(MILLRACE_SODIUM_INCLUDE_DIR sodium.h)
find_library(MILLRACE_SODIUM_LIBRARY NAMES libsodium.a sodium)
if(NOT MILLRACE_SODIUM_INCLUDE_DIR OR NOT MILLRACE_SODIUM_LIBRARY)
  message(FATAL_ERROR
    "libsodium was not found. On Debian: apt-get install libsodium-dev; on macOS: brew install libsodium; elsewhere install "
    "1.0.12 or newer, or name it with -DMILLRACE_SODIUM_INCLUDE_DIR=PATH and -DMILLRACE_SODIUM_LIBRARY=PATH.")
endif()
add_library(millrace_sodium INTERFACE)
target_include_directories(millrace_sodium SYSTEM INTERFACE "${MILLRACE_SODIUM_INCLUDE_DIR}")
target_link_libraries(millrace_sodium INTERFACE "${MILLRACE_SODIUM_LIBRARY}")
if(MILLRACE_SODIUM_LIBRARY MATCHES "\\.a$")
  target_compile_definitions(millrace_sodium INTERFACE SODIUM_STATIC=1)
endif()
add_library(millrace::sodium ALIAS millrace_sodium)
