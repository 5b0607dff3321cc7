// Catch2 for the tests: the one place that knows whether version 2 or 3 is installed. Keep to what
// both share.
#ifndef MILLRACE_TESTS_CORE_CATCH_H_
#define MILLRACE_TESTS_CORE_CATCH_H_

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#endif  // MILLRACE_TESTS_CORE_CATCH_H_
