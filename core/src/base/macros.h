// Early return for Status and Result, so that the error path costs one line.
#ifndef MILLRACE_BASE_MACROS_H_
#define MILLRACE_BASE_MACROS_H_

#define MILLRACE_CONCAT_(a, b) a##b
#define MILLRACE_CONCAT(a, b) MILLRACE_CONCAT_(a, b)

// Returns the Status of `expr` if it is an error.
#define RETURN_IF_ERROR(expr) RETURN_IF_ERROR_(MILLRACE_CONCAT(status_, __LINE__), expr)
#define RETURN_IF_ERROR_(tmp, expr)                             \
  do {                                                          \
    if (::millrace::Status tmp = (expr); !tmp.ok()) return tmp; \
  } while (false)

// Evaluates `expr` (a Result<T>); returns its Status if it is an error, else moves the value into
// `lhs`.
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_(MILLRACE_CONCAT(result_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                      \
  if (!tmp.ok()) return tmp.status();     \
  lhs = std::move(tmp.value())

#endif  // MILLRACE_BASE_MACROS_H_
