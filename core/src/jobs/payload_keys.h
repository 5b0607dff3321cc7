// What a store knows of the keys of its payloads: a check value of each, and where they are needed.
#ifndef MILLRACE_JOBS_PAYLOAD_KEYS_H_
#define MILLRACE_JOBS_PAYLOAD_KEYS_H_

#include "base/seal.h"
#include "jobs/admin.h"
#include "jobs/ledger.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::jobs {

// Compares the keys with what the store knows of their ids. kInvalidArgument: another key has this
// id. *unknown: the store does not know all of them yet.
Status CheckKeys(store::Connection& connection, const Keyring& keyring, bool* unknown);
// The same, and the store knows all of them afterwards.
Status RememberKeys(Ledger& ledger, const Keyring& keyring);

// For `doctor`: how many jobs need which key for their data or their end. Not ok if one of them is
// not in the keyring, unless that is empty. Goes over all jobs in slices, but only of a store that
// knows a key.
Result<DoctorCheck> CountKeys(store::Connection& connection, const Keyring& keyring);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_PAYLOAD_KEYS_H_
