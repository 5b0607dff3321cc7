#include "errors.h"

namespace millrace::node {

napi_value ErrorValue(napi_env env, const Status& status) {
  napi_value code = nullptr;
  napi_value message = nullptr;
  napi_value error = nullptr;
  if (napi_create_string_utf8(env, CodeName(status.code()), NAPI_AUTO_LENGTH, &code) != napi_ok ||
      napi_create_string_utf8(env, status.message().data(), status.message().size(), &message) !=
          napi_ok ||
      napi_create_error(env, code, message, &error) != napi_ok) {
    return nullptr;
  }
  return error;
}

void Throw(Napi::Env env, const Status& status) {
  napi_value error = ErrorValue(env, status);
  if (error == nullptr) throw Napi::Error::New(env, status.message());
  throw Napi::Error(env, error);
}

void ThrowInvalid(Napi::Env env, const std::string& message) {
  Throw(env, Status(Code::kInvalidArgument, message));
}

}  // namespace millrace::node
