#include "wake/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "catch.h"

extern char** environ;

namespace millrace::wake {
namespace {

constexpr char kVariable[] = "MILLRACE_TEST_CHILD=";
constexpr char kSeparator = '\x1f';
// Where the child finds its pipes.
constexpr int kChildIn = 100;
constexpr int kChildOut = 101;

std::string ReadLineFrom(int fd) {
  std::string line;
  char c = 0;
  while (read(fd, &c, 1) == 1 && c != '\n') line += c;
  return line;
}

void WriteLineTo(int fd, const std::string& line) {
  const std::string text = line + "\n";
  REQUIRE(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

}  // namespace

ChildProcess::ChildProcess(const std::string& test_case,
                           const std::vector<std::string>& arguments) {
  int in[2];
  int out[2];
  REQUIRE(pipe2(in, O_CLOEXEC) == 0);
  REQUIRE(pipe2(out, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], kChildIn);
  posix_spawn_file_actions_adddup2(&actions, out[1], kChildOut);

  std::string joined = kVariable;
  for (const std::string& argument : arguments) joined += argument + kSeparator;
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  variables.push_back(joined.data());
  variables.push_back(nullptr);
  std::string program = "/proc/self/exe";
  std::string name = test_case;
  std::string reporter = "--reporter=compact";
  char* argv[] = {program.data(), name.data(), reporter.data(), nullptr};
  const int error = posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv, variables.data());
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  to_child_ = in[1];
  from_child_ = out[0];
  REQUIRE(error == 0);
}

ChildProcess::~ChildProcess() {
  CloseInput();
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(from_child_);
}

std::string ChildProcess::ReadLine() {
  return ReadLineFrom(from_child_);
}
void ChildProcess::WriteLine(const std::string& line) {
  WriteLineTo(to_child_, line);
}

void ChildProcess::CloseInput() {
  if (to_child_ >= 0) close(to_child_);
  to_child_ = -1;
}

void ChildProcess::Signal(int signal) {
  REQUIRE(kill(pid_, signal) == 0);
}

int ChildProcess::Join() {
  int status = 0;
  REQUIRE(waitpid(pid_, &status, 0) == pid_);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::vector<std::string> ChildArguments() {
  const char* joined = getenv("MILLRACE_TEST_CHILD");
  REQUIRE(joined != nullptr);
  std::vector<std::string> arguments;
  while (const char* end = std::strchr(joined, kSeparator)) {
    arguments.emplace_back(joined, end);
    joined = end + 1;
  }
  return arguments;
}

std::string ChildReadLine() {
  return ReadLineFrom(kChildIn);
}
void ChildWriteLine(const std::string& line) {
  WriteLineTo(kChildOut, line);
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-wake-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace millrace::wake
