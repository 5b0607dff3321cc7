# Takes files out of a pinned npm package at build time, so that nothing of others is vendored in the repository.
#
# `npm pack` asks whichever registry the user has configured, and --ignore-scripts runs nothing of the package. What comes
# out is checked by the callers against their pinned hashes.

# Downloads `package` (name@version) into `scratch` and extracts there what matches `patterns` (paths in the package begin
# with "package/"). `what` and `otherwise` tell a user without npm what is missing and what else helps.
function(millrace_npm_unpack package scratch what otherwise)
  find_program(MILLRACE_NPM npm)
  if(NOT MILLRACE_NPM)
    message(FATAL_ERROR "${what} is missing and npm, which fetches it, is not installed. Install Node.js with npm, build "
      "from a source distribution (it carries ${what})${otherwise}.")
  endif()
  file(REMOVE_RECURSE "${scratch}")
  file(MAKE_DIRECTORY "${scratch}")
  message(STATUS "Fetching ${what} (${package})")
  execute_process(
    COMMAND "${MILLRACE_NPM}" pack --ignore-scripts --silent --pack-destination "${scratch}" ${package}
    WORKING_DIRECTORY "${scratch}"
    RESULT_VARIABLE _result OUTPUT_QUIET ERROR_VARIABLE _error)
  file(GLOB _tarball "${scratch}/*.tgz")
  if(NOT _result EQUAL 0 OR NOT _tarball)
    message(FATAL_ERROR "npm pack ${package} failed (${_result}): ${_error}")
  endif()
  file(ARCHIVE_EXTRACT INPUT "${_tarball}" DESTINATION "${scratch}" PATTERNS ${ARGN})
endfunction()
