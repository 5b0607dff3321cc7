# The target millrace::cctz, which reads time zones; MILLRACE_ZONEINFO_DIR holds the zones that the core carries.
#
# Compiled here as a static library whose symbols never leave the final module: Debian's static Abseil cannot be linked into
# a shared module (it is not position-independent), and a shared one would have to be found wherever a wheel or an npm
# package lands. Abseil's own options keep the namespace apart from any other copy in the process.
include(FetchCctz)
millrace_fetch_cctz(_cctz_dir)
set(MILLRACE_ZONEINFO_DIR "${_cctz_dir}/absl/time/internal/cctz/testdata")
set(_cctz_src "${_cctz_dir}/absl/time/internal/cctz/src")
add_library(millrace_cctz STATIC
  "${_cctz_src}/time_zone_fixed.cc" "${_cctz_src}/time_zone_if.cc" "${_cctz_src}/time_zone_impl.cc"
  "${_cctz_src}/time_zone_info.cc" "${_cctz_src}/time_zone_libc.cc" "${_cctz_src}/time_zone_lookup.cc"
  "${_cctz_src}/time_zone_posix.cc" "${_cctz_src}/zone_info_source.cc")
target_include_directories(millrace_cctz SYSTEM PUBLIC "${_cctz_dir}")
target_compile_options(millrace_cctz PRIVATE -O2 -w)
if(APPLE)
  target_link_libraries(millrace_cctz PUBLIC "-framework CoreFoundation")
endif()
add_library(millrace::cctz ALIAS millrace_cctz)
