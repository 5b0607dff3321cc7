// The words for the core's enumerations, and back. One table for each; an unknown word is refused
// with the list of those that are accepted.
#ifndef MILLRACE_BINDINGS_PYTHON_NAMES_H_
#define MILLRACE_BINDINGS_PYTHON_NAMES_H_

#include <string>

#include "millrace/engine.h"

namespace millrace::python {

const char* NameOf(JoinKind kind);
const char* NameOf(DependencyPolicy policy);
const char* NameOf(Deduplication::Mode mode);
const char* NameOf(Delivery delivery);
const char* NameOf(Sealing sealing);
const char* NameOf(LimitScope scope);
const char* NameOf(Overlap overlap);
const char* NameOf(CatchUp catch_up);
const char* NameOf(Outcome::Kind kind);

// Each raises InvalidArgument that names the argument and what is accepted.
JoinKind ToJoinKind(const std::string& name);
DependencyPolicy ToPolicy(const std::string& name);
Deduplication::Mode ToDedupMode(const std::string& name);
Delivery ToDelivery(const std::string& name);
Sealing ToSealing(const std::string& name, const char* argument = "sealing");
LimitScope ToScope(const std::string& name);
Overlap ToOverlap(const std::string& name);
CatchUp ToCatchUp(const std::string& name);
Outcome::Kind ToOutcomeKind(const std::string& name);

}  // namespace millrace::python

#endif  // MILLRACE_BINDINGS_PYTHON_NAMES_H_
