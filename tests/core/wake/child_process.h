// A real second process for the tests: this test program, started afresh to run one hidden test
// case.
#ifndef MILLRACE_TESTS_CORE_WAKE_CHILD_PROCESS_H_
#define MILLRACE_TESTS_CORE_WAKE_CHILD_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace millrace::wake {

// Killed and reaped on destruction if it still runs. The child's end of both pipes closes with it.
class ChildProcess {
 public:
  // Runs the hidden test case of that name; it finds `arguments` with ChildArguments().
  ChildProcess(const std::string& test_case, const std::vector<std::string>& arguments);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  // One line from the child without its end; blocks. Empty: the child has closed its end.
  std::string ReadLine();
  void WriteLine(const std::string& line);
  // Closes our end of the pipe to the child: its ReadLine() answers with an empty line.
  void CloseInput();
  void Signal(int signal);
  // Blocks until it has ended: the exit status, or 128 + the signal.
  int Join();

 private:
  pid_t pid_ = -1;
  int to_child_ = -1;
  int from_child_ = -1;
};

// The child's side; within the hidden test case.
std::vector<std::string> ChildArguments();
std::string ChildReadLine();
void ChildWriteLine(const std::string& line);

// A directory that is removed with its files on destruction.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace millrace::wake

#endif  // MILLRACE_TESTS_CORE_WAKE_CHILD_PROCESS_H_
