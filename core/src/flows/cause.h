// The error of a job that did not run because of another one.
#ifndef MILLRACE_FLOWS_CAUSE_H_
#define MILLRACE_FLOWS_CAUSE_H_

#include <string>

#include "jobs/ledger.h"
#include "millrace/status.h"

namespace millrace::flows {

// {"type":"DependencyFailed","message","stack":"","data":{"id","name","queue","error":{"type",
// "message","stack"}}} about the job that a note tells of; `error` is how that one ended. Messages
// are cut to some length, so that a long chain of failures does not grow with each job. In plain
// text: whoever keeps it seals it for the job that it becomes the error of.
Status DependencyError(jobs::Ledger& ledger, const jobs::Ledger::FlowNote& note,
                       std::string* error);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_CAUSE_H_
