#include <sqlite3.h>

#include "millrace/engine.h"

namespace millrace {

const char* SqliteVersion() {
  return sqlite3_libversion();
}

}  // namespace millrace
