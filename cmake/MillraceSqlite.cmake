# The target millrace::sqlite.
#
# bundled (default): the amalgamation as a static library of ours whose symbols never leave the final module. Two reasons:
# all releases from 3.7.0 to 3.51.2 can corrupt a file when one connection resets the WAL while another checkpoints, and a
# private copy lets the store replace its system calls without touching a host program's SQLite.
# system: the distribution's library, for packagers; the store then leaves the system calls alone.

if(MILLRACE_SQLITE STREQUAL "system")
  find_package(SQLite3 3.51.3 REQUIRED)
  add_library(millrace_sqlite INTERFACE)
  target_link_libraries(millrace_sqlite INTERFACE SQLite::SQLite3)
  target_compile_definitions(millrace_sqlite INTERFACE MILLRACE_SQLITE_SYSTEM=1)
elseif(MILLRACE_SQLITE STREQUAL "bundled")
  include(FetchSqlite)
  millrace_fetch_sqlite(_sqlite_dir)
  add_library(millrace_sqlite STATIC "${_sqlite_dir}/sqlite3.c")
  target_include_directories(millrace_sqlite SYSTEM PUBLIC "${_sqlite_dir}")
  target_compile_definitions(millrace_sqlite PRIVATE
    SQLITE_API=                        # no export attribute: the hidden preset applies
    SQLITE_THREADSAFE=2                # one connection is never used by two threads at once; no mutex per call
    SQLITE_DEFAULT_MEMSTATUS=0         # no global counter (and its mutex) on every allocation
    SQLITE_DEFAULT_FOREIGN_KEYS=0      # each connection turns on what it needs
    SQLITE_DQS=0
    SQLITE_LIKE_DOESNT_MATCH_BLOBS
    SQLITE_OMIT_DEPRECATED
    SQLITE_OMIT_LOAD_EXTENSION
    SQLITE_OMIT_SHARED_CACHE
    SQLITE_USE_ALLOCA)
  # -O2 in every configuration: the unoptimised engine would decide how long our debug tests take.
  target_compile_options(millrace_sqlite PRIVATE -O2 -w)
  find_package(Threads REQUIRED)
  target_link_libraries(millrace_sqlite PUBLIC Threads::Threads ${CMAKE_DL_LIBS} m)
else()
  message(FATAL_ERROR "MILLRACE_SQLITE is '${MILLRACE_SQLITE}'; accepted are 'bundled' and 'system'.")
endif()
add_library(millrace::sqlite ALIAS millrace_sqlite)
