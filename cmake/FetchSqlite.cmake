# Fetches the SQLite amalgamation once into MILLRACE_DEPS_DIR and checks it against pinned hashes.
#
# Nothing is vendored in the repository: the pinned npm package ships sqlite3.c and sqlite3.h unchanged. A source tree that
# carries third_party/sqlite (a source distribution does) needs no network.
#
# As a script, `cmake -DMILLRACE_DEPS_DIR=DIR -P cmake/FetchSqlite.cmake` only fetches.

set(MILLRACE_SQLITE_PACKAGE "better-sqlite3@12.11.1")
set(MILLRACE_SQLITE_VERSION "3.53.2")
set(MILLRACE_SQLITE_SHA256_sqlite3.c "60d2f39a3726cd6b9021da6f4e868608d66fbb6528a9f513dc8ffcc640493422")
set(MILLRACE_SQLITE_SHA256_sqlite3.h "9e69a1353a4288450b0d5239ede11fc7f1f4c8e5eb07491fc8317eacb5b7de7e")
include("${CMAKE_CURRENT_LIST_DIR}/NpmPack.cmake")
get_filename_component(MILLRACE_SOURCE_ROOT "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

# Sets `out` to TRUE if `dir` holds both files with the pinned hashes.
function(_millrace_sqlite_is_good dir out)
  set(${out} TRUE PARENT_SCOPE)
  foreach(name sqlite3.c sqlite3.h)
    set(_hash "")
    if(EXISTS "${dir}/${name}")
      file(SHA256 "${dir}/${name}" _hash)
    endif()
    if(NOT _hash STREQUAL MILLRACE_SQLITE_SHA256_${name})
      set(${out} FALSE PARENT_SCOPE)
    endif()
  endforeach()
endfunction()

# Downloads the package into a scratch directory and moves the two files to `dest`.
function(_millrace_sqlite_download dest)
  set(_scratch "${dest}.tmp")
  millrace_npm_unpack("${MILLRACE_SQLITE_PACKAGE}" "${_scratch}"
    "SQLite ${MILLRACE_SQLITE_VERSION}" ", or use -DMILLRACE_SQLITE=system" "*/deps/sqlite3/sqlite3.[ch]")
  _millrace_sqlite_is_good("${_scratch}/package/deps/sqlite3" _good)
  if(NOT _good)
    message(FATAL_ERROR
      "${MILLRACE_SQLITE_PACKAGE} does not contain sqlite3.c and sqlite3.h with the pinned SHA-256 sums; nothing was used.")
  endif()
  file(REMOVE_RECURSE "${dest}")
  file(RENAME "${_scratch}/package/deps/sqlite3" "${dest}")
  file(REMOVE_RECURSE "${_scratch}")
endfunction()

# Sets `out` to a directory with a verified sqlite3.c and sqlite3.h.
function(millrace_fetch_sqlite out)
  set(_carried "${MILLRACE_SOURCE_ROOT}/third_party/sqlite")
  _millrace_sqlite_is_good("${_carried}" _good)
  if(_good)
    set(${out} "${_carried}" PARENT_SCOPE)
    return()
  endif()
  set(_dest "${MILLRACE_DEPS_DIR}/sqlite-${MILLRACE_SQLITE_VERSION}")
  file(MAKE_DIRECTORY "${MILLRACE_DEPS_DIR}")
  # Several build directories may configure at once; the second waits and finds the files in place.
  file(LOCK "${MILLRACE_DEPS_DIR}/fetch.lock" GUARD FUNCTION TIMEOUT 300)
  _millrace_sqlite_is_good("${_dest}" _good)
  if(NOT _good)
    _millrace_sqlite_download("${_dest}")
  endif()
  set(${out} "${_dest}" PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE AND CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  if(NOT MILLRACE_DEPS_DIR)
    set(MILLRACE_DEPS_DIR "${MILLRACE_SOURCE_ROOT}/build/deps")
  endif()
  millrace_fetch_sqlite(_dir)
  message(STATUS "SQLite ${MILLRACE_SQLITE_VERSION}: ${_dir}")
endif()
