# Warnings and sanitizers, as two interface targets: millrace_warnings for our own sources, sanitizers for everything.

add_library(millrace_warnings INTERFACE)
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  target_compile_options(millrace_warnings INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wformat=2
    -Wimplicit-fallthrough -Wundef
    # Options are filled by designated initialisers; what is not named keeps its default, and that is the point.
    -Wno-missing-field-initializers)
  if(MILLRACE_WERROR)
    target_compile_options(millrace_warnings INTERFACE -Werror)
  endif()
  # GCC 12 warns about its own std::string and std::variant code when it inlines deeply; these two are known false alarms.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(millrace_warnings INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
  endif()
endif()

# SQLite runs under the sanitizers too: TSan must see its locks, ASan its allocations. It does not promise to be free of
# every "undefined" that UBSan knows, so that one is for C++ only.
if(MILLRACE_SANITIZE)
  string(REGEX REPLACE ",?undefined" "" _sanitize_c "${MILLRACE_SANITIZE}")
  add_compile_options(
    -fno-omit-frame-pointer
    "$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${MILLRACE_SANITIZE};-fno-sanitize-recover=all>")
  if(_sanitize_c)
    add_compile_options("$<$<COMPILE_LANGUAGE:C>:-fsanitize=${_sanitize_c}>")
  endif()
  add_link_options("-fsanitize=${MILLRACE_SANITIZE}")
endif()
