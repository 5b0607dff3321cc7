#include "wire.h"

#include <cstring>
#include <utility>

#include "errors.h"

namespace millrace::node {
namespace {

constexpr size_t kApartBytes = 8 * 1024;
constexpr char kApartMark = '\x01';

}  // namespace

void Packed::Separate() {
  if (!first_) text_.push_back('\0');
  first_ = false;
}

void Packed::Text(std::string_view field) {
  const bool apart = !field.empty() && (field.size() > kApartBytes || field.front() == kApartMark ||
                                        field.find('\0') != std::string_view::npos);
  if (apart) {
    Separate();
    text_.push_back(kApartMark);
    apart_.push_back({std::string(field), true});
    return;
  }
  Separate();
  text_.append(field);
}

void Packed::Bytes(std::string bytes) {
  Separate();
  text_.push_back(kApartMark);
  apart_.push_back({std::move(bytes), false});
}

Napi::Value Packed::ToValue(Napi::Env env) const {
  Napi::Array out = Napi::Array::New(env, 3);
  out.Set(0U, Napi::String::New(env, text_));
  Napi::Float64Array numbers = Napi::Float64Array::New(env, numbers_.size());
  if (!numbers_.empty())
    std::memcpy(numbers.Data(), numbers_.data(), numbers_.size() * sizeof(double));
  out.Set(1U, numbers);
  if (!apart_.empty()) {
    Napi::Array apart = Napi::Array::New(env, apart_.size());
    uint32_t index = 0;
    for (const Apart& one : apart_) {
      Napi::HandleScope scope(env);
      if (one.is_text) {
        apart.Set(index++, Napi::String::New(env, one.bytes));
      } else {
        apart.Set(index++, Napi::Buffer<char>::Copy(env, one.bytes.data(), one.bytes.size()));
      }
    }
    out.Set(2U, apart);
  }
  return out;
}

FieldReader::FieldReader(Napi::Env env, Napi::Value text) : env_(env) {
  if (!text.IsString()) ThrowInvalid(env, "the packed text must be a string");
  text_ = text.As<Napi::String>().Utf8Value();
}

std::string FieldReader::Next() {
  const void* end =
      at_ < text_.size() ? std::memchr(text_.data() + at_, 0, text_.size() - at_) : nullptr;
  if (end == nullptr) ThrowInvalid(env_, "the packed text has too few fields");
  const size_t length = static_cast<size_t>(static_cast<const char*>(end) - (text_.data() + at_));
  std::string field(text_, at_, length);
  at_ += length + 1;
  return field;
}

NumberReader::NumberReader(Napi::Env env, Napi::Value array) : env_(env) {
  if (!array.IsTypedArray() ||
      array.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    ThrowInvalid(env, "the packed numbers must be a Float64Array");
  }
  const auto numbers = array.As<Napi::Float64Array>();
  data_ = numbers.Data();
  length_ = numbers.ElementLength();
}

double NumberReader::Next() {
  if (at_ == length_) ThrowInvalid(env_, "the packed numbers are too few");
  return data_[at_++];
}

size_t NumberReader::Count(size_t max) {
  const double value = Next();
  if (!(value >= 0) || value > static_cast<double>(max))
    ThrowInvalid(env_, "a packed count is out of range");
  return static_cast<size_t>(value);
}

}  // namespace millrace::node
