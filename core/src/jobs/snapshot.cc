#include "jobs/snapshot.h"

#include "sql_statements.h"

namespace millrace::jobs {

using store::Query;

Snapshot::Snapshot(store::Connection& connection)
    : connection_(connection), own_(!connection.in_transaction()) {
  if (own_) status_ = Query(connection_, sql::read::kBeginRead).Run();
}

Snapshot::~Snapshot() {
  // An error here loses nothing: nothing was written, and the connection's next use reports what is
  // wrong with it.
  if (own_ && connection_.in_transaction()) (void)Query(connection_, sql::read::kEndRead).Run();
}

}  // namespace millrace::jobs
