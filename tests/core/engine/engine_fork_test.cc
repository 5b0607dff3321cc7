// fork() of a process whose engine has threads: the child lets go of what it inherited.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "catch.h"
#include "engine/engine_test_util.h"

namespace millrace::testing {

TEST_CASE("a forked child lets go of an engine at work, and hangs on nothing", "[engine][fork]") {
  TempDir dir;
  std::unique_ptr<Engine> engine = Must(Engine::Open({.path = dir.file()}));
  std::unique_ptr<Session> session = Must(engine->OpenSession({.queues = {"q"}}));
  std::unique_ptr<Subscription> subscription = Must(engine->Subscribe({.query = {.queue = "q"}}));
  Code taken = Code::kOk;
  Code followed = Code::kOk;
  std::thread taker([&] { taken = session->Take(1, -1).status().code(); });
  std::thread follower([&] { followed = subscription->Next(-1).status().code(); });
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // a child that hangs is ended
    const bool told = session->Close(0).code() == Code::kForkedChild;
    subscription.reset();
    session.reset();
    engine.reset();
    _exit(told ? 0 : 1);
  }
  REQUIRE(child > 0);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  JobSpec spec = Spec();
  spec.queue = "other";
  CHECK(Add(*engine, spec).state == JobState::kReady);  // the parent's engine works on
  session->Stop();
  subscription->Close();
  taker.join();
  follower.join();
  CHECK(taken == Code::kClosed);
  CHECK(followed == Code::kClosed);
}

}  // namespace millrace::testing
