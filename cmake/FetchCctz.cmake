# Fetches CCTZ (Abseil's reading of the IANA time zones) and the zones themselves once into MILLRACE_DEPS_DIR.
#
# The pinned npm package carries Abseil's sources, and Abseil the compiled zones. Only the parts named below are taken, and
# all of them are checked against one pinned hash. A source tree that carries third_party/cctz needs no network.
#
# As a script, `cmake -DMILLRACE_DEPS_DIR=DIR -P cmake/FetchCctz.cmake` only fetches.

set(MILLRACE_CCTZ_PACKAGE "re2@1.27.1")
set(MILLRACE_CCTZ_VERSION "20260817")
set(MILLRACE_CCTZ_SHA256 "3a4ae684ba9cb7987d4431f6bf81ef3ad3f1973c5c9acf80117ddc227bfa834a")
include("${CMAKE_CURRENT_LIST_DIR}/NpmPack.cmake")
get_filename_component(MILLRACE_SOURCE_ROOT "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

# Sets `out` to TRUE if the files below `dir`, by name and content, are those that were pinned.
function(_millrace_cctz_is_good dir out)
  file(GLOB_RECURSE _files RELATIVE "${dir}" "${dir}/*")
  list(SORT _files)
  set(_sums "")
  foreach(_file IN LISTS _files)
    file(SHA256 "${dir}/${_file}" _hash)
    string(APPEND _sums "${_hash} ${_file}\n")
  endforeach()
  string(SHA256 _hash "${_sums}")
  set(MILLRACE_CCTZ_FOUND_SHA256 "${_hash}" PARENT_SCOPE)
  if(_hash STREQUAL MILLRACE_CCTZ_SHA256)
    set(${out} TRUE PARENT_SCOPE)
  else()
    set(${out} FALSE PARENT_SCOPE)
  endif()
endfunction()

# Downloads the package into a scratch directory and moves the parts to `dest`, without their tests.
function(_millrace_cctz_download dest)
  set(_scratch "${dest}.tmp")
  set(_root "package/vendor/abseil-cpp")
  set(_cctz "${_root}/absl/time/internal/cctz")
  millrace_npm_unpack("${MILLRACE_CCTZ_PACKAGE}" "${_scratch}" "CCTZ ${MILLRACE_CCTZ_VERSION}" ""
    "${_root}/LICENSE" "${_root}/absl/base/config.h" "${_root}/absl/base/options.h" "${_root}/absl/base/policy_checks.h"
    "${_cctz}/include/*" "${_cctz}/src/*" "${_cctz}/testdata/*")
  file(GLOB _unused "${_scratch}/${_cctz}/src/*test*" "${_scratch}/${_cctz}/src/*benchmark*" "${_scratch}/${_cctz}/src/*_win*")
  file(REMOVE ${_unused})
  _millrace_cctz_is_good("${_scratch}/${_root}" _good)
  if(NOT _good)
    message(FATAL_ERROR "${MILLRACE_CCTZ_PACKAGE} does not contain CCTZ with the pinned SHA-256 sum (found "
      "${MILLRACE_CCTZ_FOUND_SHA256}); nothing was used.")
  endif()
  file(REMOVE_RECURSE "${dest}")
  file(RENAME "${_scratch}/${_root}" "${dest}")
  file(REMOVE_RECURSE "${_scratch}")
endfunction()

# Sets `out` to a directory with a verified absl/time/internal/cctz.
function(millrace_fetch_cctz out)
  set(_carried "${MILLRACE_SOURCE_ROOT}/third_party/cctz")
  if(EXISTS "${_carried}")
    _millrace_cctz_is_good("${_carried}" _good)
    if(_good)
      set(${out} "${_carried}" PARENT_SCOPE)
      return()
    endif()
  endif()
  set(_dest "${MILLRACE_DEPS_DIR}/cctz-${MILLRACE_CCTZ_VERSION}")
  file(MAKE_DIRECTORY "${MILLRACE_DEPS_DIR}")
  # Several build directories may configure at once; the second waits and finds the files in place.
  file(LOCK "${MILLRACE_DEPS_DIR}/fetch.lock" GUARD FUNCTION TIMEOUT 300)
  _millrace_cctz_is_good("${_dest}" _good)
  if(NOT _good)
    _millrace_cctz_download("${_dest}")
  endif()
  set(${out} "${_dest}" PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE AND CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  if(NOT MILLRACE_DEPS_DIR)
    set(MILLRACE_DEPS_DIR "${MILLRACE_SOURCE_ROOT}/build/deps")
  endif()
  millrace_fetch_cctz(_dir)
  message(STATUS "CCTZ ${MILLRACE_CCTZ_VERSION}: ${_dir}")
endif()
