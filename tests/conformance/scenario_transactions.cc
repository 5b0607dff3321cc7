// The user's own transactions, in scenarios: one at a time.
#include "conformance/scenario_runner.h"

namespace millrace::testing {
namespace {

SqlValue ReadValue(const Json& value) {
  if (value.is_null()) return std::monostate();
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number()) return value.get<double>();
  return value.get<std::string>();
}

Json ShowValue(const SqlValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return Json();
}

Json ShowResult(const SqlResult& result) {
  Json rows = Json::array();
  for (const auto& row : result.rows) {
    Json& shown = rows.emplace_back(Json::array());
    for (const SqlValue& value : row) shown.push_back(ShowValue(value));
  }
  return {{"columns", result.columns}, {"rows", rows}, {"changes", result.changes}};
}

Result<Json> Answer(const Status& status) {
  if (!status.ok()) return status;
  return Json();
}

}  // namespace

void ScenarioRunner::AddTransactions() {
  operations_["begin"] = [this](const Json& step) -> Result<Json> {
    auto begun = engine_->Begin({.timeout_ms = step.value("timeout_ms", int64_t{20'000})});
    if (!begun.ok()) return begun.status();
    transaction_ = std::move(*begun);
    return Json();
  };
  operations_["execute"] = [this](const Json& step) -> Result<Json> {
    std::vector<SqlValue> parameters;
    for (const Json& value : step.value("parameters", Json::array())) {
      parameters.push_back(ReadValue(value));
    }
    const auto result = transaction_->Execute(step.at("sql").get<std::string>(), parameters);
    if (!result.ok()) return result.status();
    return ShowResult(*result);
  };
  operations_["tx_enqueue"] = [this](const Json& step) -> Result<Json> {
    const auto acks = transaction_->Enqueue(ReadJobs(step.at("jobs")));
    if (!acks.ok()) return acks.status();
    return ShowAdded(step.at("jobs"), *acks);
  };
  operations_["commit"] = [this](const Json&) { return Answer(transaction_->Commit()); };
  operations_["rollback"] = [this](const Json&) { return Answer(transaction_->Rollback()); };
}

}  // namespace millrace::testing
