// Payloads on their way into the store and out of it (base/seal.h). What leaves the engine is open,
// what the tables hold is sealed; between the two, bodies are bytes that nobody looks into. Those
// who make a payload of others' payloads (a join, an error that cites another) open and seal here.
#ifndef MILLRACE_JOBS_PAYLOADS_H_
#define MILLRACE_JOBS_PAYLOADS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/seal.h"
#include "jobs/ledger.h"
#include "millrace/events.h"
#include "millrace/flows.h"
#include "millrace/session.h"
#include "millrace/status.h"
#include "millrace/types.h"
#include "store/connection.h"

namespace millrace::jobs {

// --- Into the store ---

// Seals the data of new jobs (checked ones: CheckSealing).
void SealSpecs(const Keyring& keyring, std::vector<JobSpec>* specs);
void SealSpec(const Keyring& keyring, JobSpec* spec);

// Seals a payload of a job that stands in the store, as the job asks.
Result<std::string> SealFor(Ledger& ledger, int64_t row, SealField field, std::string plain);

// --- Out of the store: precise errors, for one job ---

// A payload of a job of which only the queue's number is known. The task's name is what the payload
// says (it is authenticated with it).
Result<std::string> OpenStored(store::Connection& connection, const Keyring& keyring,
                               int64_t queue_id, SealField field, std::string stored);
Status OpenSpec(const Keyring& keyring, JobSpec* spec);
Status OpenJob(const Keyring& keyring, JobInfo* job);
Status OpenLeased(const Keyring& keyring, LeasedJob* job);
Status OpenDependency(const Keyring& keyring, DependencyInfo* dependency);
Status OpenOutcome(const Keyring& keyring, std::string_view queue, JobOutcome* outcome);
Status OpenLogs(const Keyring& keyring, std::string_view queue, std::vector<LogLine>* lines);
// Whether OpenOutcome or OpenLogs needs to know the queue.
bool NeedsQueue(const JobOutcome& outcome);
bool NeedsQueue(const std::vector<LogLine>& lines);

// --- Out of the store, for lists: a payload that cannot be opened is shown as SealedPlaceholder
// says, or as {"$sealed":""} if it is not sealed although that is required ---

void ShowJob(const Keyring& keyring, JobInfo* job);
void ShowSpec(const Keyring& keyring, JobSpec* spec);
void ShowDependency(const Keyring& keyring, DependencyInfo* dependency);
std::string ShownLine(const Keyring& keyring, std::string_view queue, std::string line);
void ShowEvents(const Keyring& keyring, std::vector<Event>* events);

// The error of an attempt that was not begun because its payloads cannot be opened.
std::string UnreadableError(const Status& why);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_PAYLOADS_H_
