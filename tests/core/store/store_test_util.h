// What the tests of the store share.
#ifndef MILLRACE_TESTS_CORE_STORE_STORE_TEST_UTIL_H_
#define MILLRACE_TESTS_CORE_STORE_STORE_TEST_UTIL_H_

#include <memory>
#include <string>

#include "catch.h"
#include "millrace/options.h"
#include "store/store.h"
#include "wake/child_process.h"

namespace millrace::store {

using wake::ChildArguments;
using wake::ChildProcess;
using wake::ChildReadLine;
using wake::ChildWriteLine;
using wake::TemporaryDirectory;

// Fails the test with the status's text if it is not ok.
void RequireOk(const Status& status);
template <typename T>
T RequireOk(Result<T> result) {
  RequireOk(result.status());
  return std::move(result.value());
}

// The status must have this code, and its message must contain this text.
void RequireError(const Status& status, Code code, const std::string& text);

OpenOptions OptionsFor(const std::string& path);
std::unique_ptr<Store> OpenStore(const std::string& path);

// Runs SQL on the writing connection, with the writer lock and in a transaction.
Status Write(Store& store, const std::string& sql);
int64_t ReadInt(Store& store, const char* sql);

void WriteFile(const std::string& path, const std::string& bytes);
std::string ReadFile(const std::string& path);

}  // namespace millrace::store

#endif  // MILLRACE_TESTS_CORE_STORE_STORE_TEST_UTIL_H_
