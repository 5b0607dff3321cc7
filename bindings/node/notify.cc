#include "notify.h"

#include <utility>

#include "errors.h"

namespace millrace::node {
namespace {

napi_value Numbers(Napi::Env env, const std::vector<uint32_t>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, Napi::Number::New(env, values[i]));
  return array;
}

// One character per job, 0x20 + state + 8 * how + 24 * durability, where how is 0: new, 1:
// existing, 2: new in place of another one; ids one after the other, U+0000 between. In the last
// case the id is followed by U+0001 and that of the job which went.
struct AckText {
  std::string ids;
  std::string flags;

  void Add(const EnqueueAck& ack) {
    if (!flags.empty()) ids.push_back('\0');
    ids += ack.id;
    const bool replaced = !ack.existing && !ack.replaced_id.empty();
    if (replaced) ids.append(1, '\x01').append(ack.replaced_id);
    const int how = ack.existing ? 1 : replaced ? 2 : 0;
    const int flag = static_cast<int>(ack.state) + 8 * how + 24 * static_cast<int>(ack.durability);
    flags.push_back(static_cast<char>(0x20 + flag));
  }
};

}  // namespace

std::shared_ptr<Notifier> Notifier::Create(Napi::Env env, Napi::Function dispatch) {
  auto notifier = std::make_shared<Notifier>();
  // The function owns one reference until Node has finished with it: a wake-up may still be queued
  // at the end.
  auto* context = new std::shared_ptr<Notifier>(notifier);
  napi_value name = Napi::String::New(env, "millrace");
  const napi_status status = napi_create_threadsafe_function(
      env, dispatch, nullptr, name, 0, 1, nullptr,
      [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<Notifier>*>(hint); },
      context, OnWake, &notifier->function_);
  if (status != napi_ok) {
    delete context;
    NAPI_THROW_IF_FAILED(env, status, nullptr);
  }
  napi_unref_threadsafe_function(env, notifier->function_);
  return notifier;
}

void Notifier::Ready(uint32_t source) {
  const std::lock_guard<std::mutex> lock(mutex_);
  news_.ready.push_back(source);
  Wake();
}

void Notifier::Answered(uint32_t request, EnqueueAnswers answers) {
  const std::lock_guard<std::mutex> lock(mutex_);
  news_.requests.push_back(request);
  news_.answers.push_back(std::move(answers));
  Wake();
}

void Notifier::Log(const std::string& line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  news_.lines.push_back(line);
  Wake();
}

void Notifier::Wake() {
  if (woken_ || function_ == nullptr) return;
  // napi_closing is the only answer but ok: the environment is going and needs no news.
  woken_ = napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) == napi_ok;
}

void Notifier::SetReferenced(Napi::Env env, bool referenced) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (function_ == nullptr) return;
  if (referenced) {
    napi_ref_threadsafe_function(env, function_);
  } else {
    napi_unref_threadsafe_function(env, function_);
  }
}

void Notifier::Close() {
  napi_threadsafe_function function = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::swap(function, function_);
    news_ = News{};
  }
  if (function != nullptr) napi_release_threadsafe_function(function, napi_tsfn_abort);
}

void Notifier::OnWake(napi_env env, napi_value dispatch, void* context, void*) {
  // Torn down: Node empties its queue after the finalizer, when the context is gone.
  if (env == nullptr || dispatch == nullptr) return;
  const auto notifier = *static_cast<std::shared_ptr<Notifier>*>(context);
  News news;
  {
    const std::lock_guard<std::mutex> lock(notifier->mutex_);
    std::swap(news, notifier->news_);
    notifier->woken_ = false;
  }
  try {
    Dispatch(env, dispatch, news);
  } catch (const Napi::Error&) {
    // dispatch() itself never throws: this environment can no longer run JavaScript.
  }
}

void Notifier::Dispatch(napi_env raw, napi_value dispatch, const News& news) {
  const Napi::Env env(raw);
  const Napi::HandleScope scope(env);
  AckText acks;
  // [index of the request, index of the batch, error] for each refused batch.
  std::vector<napi_value> refused;
  for (size_t request = 0; request < news.answers.size(); ++request) {
    const EnqueueAnswers& answers = news.answers[request];
    for (size_t batch = 0; batch < answers.size(); ++batch) {
      if (answers[batch].ok()) {
        for (const EnqueueAck& ack : *answers[batch]) acks.Add(ack);
        continue;
      }
      refused.push_back(Napi::Number::New(env, static_cast<double>(request)));
      refused.push_back(Napi::Number::New(env, static_cast<double>(batch)));
      refused.push_back(ErrorValue(env, answers[batch].status()));
    }
  }
  Napi::Value errors = env.Undefined();
  if (!refused.empty()) {
    Napi::Array array = Napi::Array::New(env, refused.size());
    for (uint32_t i = 0; i < refused.size(); ++i) array.Set(i, refused[i]);
    errors = array;
  }
  Napi::Value lines = env.Undefined();
  if (!news.lines.empty()) {
    Napi::Array array = Napi::Array::New(env, news.lines.size());
    for (uint32_t i = 0; i < news.lines.size(); ++i)
      array.Set(i, Napi::String::New(env, news.lines[i]));
    lines = array;
  }
  const std::initializer_list<napi_value> arguments = {Numbers(env, news.ready),
                                                       Numbers(env, news.requests),
                                                       Napi::String::New(env, acks.ids),
                                                       Napi::String::New(env, acks.flags),
                                                       errors,
                                                       lines};
  Napi::Function(env, dispatch).Call(arguments);
}

}  // namespace millrace::node
