#include "store/store_test_util.h"

#include <fstream>
#include <iterator>

namespace millrace::store {

void RequireOk(const Status& status) {
  INFO(status.ToString());
  REQUIRE(status.ok());
}

void RequireError(const Status& status, Code code, const std::string& text) {
  INFO(status.ToString() << "\nexpected: " << CodeName(code) << ": ..." << text);
  REQUIRE(status.code() == code);
  REQUIRE(status.message().find(text) != std::string::npos);
}

OpenOptions OptionsFor(const std::string& path) {
  OpenOptions options;
  options.path = path;
  return options;
}

std::unique_ptr<Store> OpenStore(const std::string& path) {
  return RequireOk(Store::Open(OptionsFor(path)));
}

Status Write(Store& store, const std::string& sql) {
  Status status = store.LockWriter();
  if (!status.ok()) return status;
  const std::string text = "BEGIN IMMEDIATE;" + sql + ";COMMIT";
  status = store.writer().Exec(text.c_str());
  if (!status.ok() && store.writer().in_transaction()) RequireOk(store.writer().Exec("ROLLBACK"));
  store.UnlockWriter();
  if (status.ok()) store.AfterCommit();
  return status;
}

int64_t ReadInt(Store& store, const char* sql) {
  const Reader reader = RequireOk(store.Read());
  return RequireOk(reader->QueryInt(sql));
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace millrace::store
