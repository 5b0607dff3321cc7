#include "transaction.h"

#include <cmath>
#include <optional>
#include <thread>
#include <utility>

#include "engine.h"
#include "errors.h"
#include "wire.h"

namespace millrace::node {
namespace {

// Exactly what a double can hold: beyond it a BigInt comes back.
constexpr int64_t kSafeInteger = int64_t{1} << 53;

SqlValue ToSqlValue(Napi::Env env, const Napi::Value& value, uint32_t index) {
  if (value.IsNull() || value.IsUndefined()) return std::monostate();
  if (value.IsString()) return value.As<Napi::String>().Utf8Value();
  if (value.IsBoolean()) return int64_t{value.As<Napi::Boolean>().Value() ? 1 : 0};
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    const bool whole = std::trunc(number) == number && std::abs(number) <= kSafeInteger;
    if (whole && !(number == 0 && std::signbit(number))) return static_cast<int64_t>(number);
    return number;
  }
  if (value.IsBigInt()) {
    bool lossless = false;
    const int64_t integer = value.As<Napi::BigInt>().Int64Value(&lossless);
    if (lossless) return integer;
    ThrowInvalid(env, "parameters[" + std::to_string(index) +
                          "] does not fit into 64 bits; -2n ** 63n to 2n ** 63n - 1n is accepted");
  }
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    const auto bytes = value.As<Napi::Uint8Array>();
    return SqlBlob{std::string(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength())};
  }
  ThrowInvalid(env, "parameters[" + std::to_string(index) +
                        "] must be a string, number, bigint, boolean, Uint8Array or null");
}

Napi::Value FromSqlValue(Napi::Env env, const SqlValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    if (*integer >= -kSafeInteger && *integer <= kSafeInteger)
      return Napi::Number::New(env, static_cast<double>(*integer));
    return Napi::BigInt::New(env, *integer);
  }
  if (const auto* real = std::get_if<double>(&value)) return Napi::Number::New(env, *real);
  if (const auto* text = std::get_if<std::string>(&value)) return Napi::String::New(env, *text);
  if (const auto* blob = std::get_if<SqlBlob>(&value))
    return Napi::Buffer<char>::Copy(env, blob->bytes.data(), blob->bytes.size());
  return env.Null();
}

Napi::Value FromResult(Napi::Env env, const SqlResult& result) {
  Napi::Array columns = Napi::Array::New(env, result.columns.size());
  for (uint32_t i = 0; i < columns.Length(); ++i)
    columns.Set(i, Napi::String::New(env, result.columns[i]));
  Napi::Array rows = Napi::Array::New(env, result.rows.size());
  for (uint32_t i = 0; i < rows.Length(); ++i) {
    Napi::HandleScope scope(env);
    Napi::Array row = Napi::Array::New(env, result.rows[i].size());
    for (uint32_t j = 0; j < row.Length(); ++j) row.Set(j, FromSqlValue(env, result.rows[i][j]));
    rows.Set(i, row);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("columns", columns);
  object.Set("rows", rows);
  object.Set("changes", Napi::Number::New(env, static_cast<double>(result.changes)));
  object.Set("lastInsertRowid",
             Napi::Number::New(env, static_cast<double>(result.last_insert_rowid)));
  return object;
}

// A call on its way: made on the environment's thread, worked on its own, ended on the former.
struct ThreadCall {
  explicit ThreadCall(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise::Deferred deferred;
  BlockingWork work;
  std::optional<Result<Answer>> result;
  Napi::ThreadSafeFunction finish;
  std::thread thread;
};

void End(Napi::Env env, ThreadCall& call) {
  napi_value error = nullptr;
  if (call.result->ok()) {
    try {
      call.deferred.Resolve(call.result->value()(env));
      return;
    } catch (const Napi::Error& thrown) {
      if (!thrown.IsEmpty()) error = thrown.Value();
    }
  } else {
    error = ErrorValue(env, call.result->status());
  }
  if (error != nullptr) call.deferred.Reject(error);
}

}  // namespace

Napi::Value CallOnThread(Napi::Env env, const char* name, BlockingWork work) {
  auto* const call = new ThreadCall(env);
  const Napi::Promise promise = call->deferred.Promise();
  call->work = std::move(work);
  // The last thing that happens, also when the environment ends meanwhile: nothing runs on then.
  const auto finalize = [](Napi::Env, ThreadCall* done) {
    if (done->thread.joinable()) done->thread.join();
    delete done;
  };
  call->finish = Napi::ThreadSafeFunction::New(
      env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), name, 0, 1, finalize, call);
  call->thread = std::thread([call] {
    call->result.emplace(call->work());
    call->work = nullptr;
    Napi::ThreadSafeFunction finish = call->finish;
    finish.NonBlockingCall(call, [](Napi::Env at, Napi::Function, ThreadCall* done) {
      if (at != nullptr) End(at, *done);
    });
    finish.Release();
  });
  return promise;
}

Napi::Function TransactionObject::Define(Napi::Env env) {
  return DefineClass(env, "Transaction",
                     {InstanceMethod<&TransactionObject::Execute>("execute"),
                      InstanceMethod<&TransactionObject::Enqueue>("enqueue"),
                      InstanceMethod<&TransactionObject::Commit>("commit"),
                      InstanceMethod<&TransactionObject::Rollback>("rollback")});
}

Napi::Value TransactionObject::Create(Napi::Env env, std::shared_ptr<OwnedTransaction> owned) {
  const Napi::Object object = Environment::Of(env).transaction_class.New({});
  Unwrap(object)->owned_ = std::move(owned);
  return object;
}

TransactionObject::TransactionObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<TransactionObject>(info), Ending(info.Env()) {}

void TransactionObject::EndWithEnvironment() {
  if (const auto owned = std::exchange(owned_, nullptr))
    static_cast<void>(owned->transaction->Rollback());
}

Napi::Value TransactionObject::Run(Info info, const char* name,
                                   std::function<Result<Answer>(Transaction&)> call) {
  if (owned_ == nullptr) Throw(info.Env(), Status(Code::kClosed, "the transaction has ended"));
  return CallOnThread(info.Env(), name, [owned = owned_, call = std::move(call)] {
    return call(*owned->transaction);
  });
}

Napi::Value TransactionObject::Execute(Info info) {
  const auto given = info[1].As<Napi::Array>();
  std::vector<SqlValue> values;
  for (uint32_t i = 0; i < given.Length(); ++i)
    values.push_back(ToSqlValue(info.Env(), given.Get(i), i));
  return Run(info, "millrace.transaction.execute",
             [sql = TextArgument(info, 0), values = std::move(values)](Transaction& transaction) {
               return Map(transaction.Execute(sql, values), [](SqlResult result) -> Answer {
                 auto shared = std::make_shared<SqlResult>(std::move(result));
                 return [shared](Napi::Env env) { return FromResult(env, *shared); };
               });
             });
}

Napi::Value TransactionObject::Enqueue(Info info) {
  NumberReader numbers(info.Env(), info[0]);
  FieldReader fields(info.Env(), info[1]);
  std::vector<std::vector<JobSpec>> batches = ReadBatches(&numbers, &fields);
  if (batches.size() != 1) ThrowInvalid(info.Env(), "one batch is accepted");
  return Run(info, "millrace.transaction.enqueue",
             [jobs = std::move(batches[0])](Transaction& transaction) {
               return Map(transaction.Enqueue(jobs), [](const std::vector<EnqueueAck>& acks) {
                 return PackAll(acks, PackAck);
               });
             });
}

// Afterwards the object holds nothing, though JavaScript may hold the object: a share that is left
// keeps the store open.
Napi::Value TransactionObject::Commit(Info info) {
  const Napi::Value done = Run(info, "millrace.transaction.commit",
                               [](Transaction& transaction) { return Map(transaction.Commit()); });
  owned_.reset();
  return done;
}

Napi::Value TransactionObject::Rollback(Info info) {
  if (rolled_back_) {  // idempotent, as the core's
    const auto done = Napi::Promise::Deferred::New(info.Env());
    done.Resolve(info.Env().Undefined());
    return done.Promise();
  }
  const Napi::Value done = Run(info, "millrace.transaction.rollback", [](Transaction& transaction) {
    return Map(transaction.Rollback());
  });
  owned_.reset();
  rolled_back_ = true;
  return done;
}

// begin(timeoutMs, durability) -> Transaction
Napi::Value EngineObject::Begin(Info info) {
  TransactionOptions options;
  options.timeout_ms = IntegerArgument(info, 0);
  options.durability = DurabilityArgument(info, 1);
  options.thread_bound = false;  // each call comes from another thread
  const Share& share = Open(info.Env());
  Result<std::unique_ptr<Transaction>> begun = (*share)->Begin(options);
  if (!begun.ok()) Throw(info.Env(), begun.status());
  return TransactionObject::Create(info.Env(),
                                   std::make_shared<OwnedTransaction>(share, std::move(*begun)));
}

// newId(): of a job that is not added yet
Napi::Value EngineObject::NewId(Info info) {
  return Napi::String::New(info.Env(), (*Open(info.Env()))->NewId());
}

}  // namespace millrace::node
