// What the write path costs: the bare transaction, the same through Writer::Run (whoever comes
// first leads), and the same with a hop to the writer's thread (Submit, then sleep until Done), for
// one caller, eight threads and eight processes. See docs/adr/0001-combining-writer.md.
// Usage: millrace_writer_bench [--dir DIR] [--seconds S] [--rounds N]
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "sql_statements.h"
#include "store/store.h"
#include "store/writer.h"

namespace millrace::store {
namespace {

constexpr int kThreads = 8;
constexpr int kProcesses = 8;
constexpr size_t kPayloadBytes = 200;
constexpr const char* kCreate =
    "CREATE TABLE IF NOT EXISTS bench_rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT";
constexpr const char* kInsert = "INSERT INTO bench_rows (body) VALUES (?1)";

double NowUs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::micro>(now).count();
}

[[noreturn]] void Die(const Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

class NoHooks : public BatchHooks {
 public:
  Status Begin(Connection&) override { return Status::Ok(); }
  Status Flush(Connection&) override { return Status::Ok(); }
  void Committed() override {}
  void RolledBack() override {}
};

Status Insert(Connection& connection, const std::string& body) {
  Query query(connection, kInsert);
  query.Bind(body);
  return query.Run();
}

class InsertOp : public WriteOp {
 public:
  InsertOp(const std::string& body, Durability level) : body_(body) { durability = level; }
  Status Apply(Connection& connection) override { return Insert(connection, body_); }
  void Done(const Status& status) override {
    ok_ = status.ok();
    done_.store(1, std::memory_order_release);
    done_.notify_one();
  }
  void Await() { done_.wait(0, std::memory_order_acquire); }
  bool ok() const { return ok_; }

 private:
  const std::string& body_;
  bool ok_ = false;
  std::atomic<int> done_{0};
};

struct Bench {
  explicit Bench(const std::string& path) {
    OpenOptions options;
    options.path = path;
    Result<std::unique_ptr<Store>> opened = Store::Open(options);
    if (!opened.ok()) Die(opened.status());
    store = std::move(opened.value());
    Status status = store->LockWriter();
    if (status.ok()) status = store->writer().Exec(kCreate);
    store->UnlockWriter();
    if (!status.ok()) Die(status);
    writer = Writer::Create(*store, hooks, {});
  }
  ~Bench() { writer->Stop(); }

  NoHooks hooks;
  std::unique_ptr<Store> store;
  std::unique_ptr<Writer> writer;
  const std::string body = std::string(kPayloadBytes, 'x');
};

using Call = std::function<bool(Bench&, Durability)>;

// One transaction and nothing else: what any write must do.
bool Bare(Bench& bench, Durability durability) {
  Store& store = *bench.store;
  if (!store.LockWriter().ok()) return false;
  Connection& connection = store.writer();
  Status status = Query(connection, sql::transaction::kBeginImmediate).Run();
  if (status.ok()) status = Insert(connection, bench.body);
  if (status.ok()) status = Query(connection, sql::transaction::kCommit).Run();
  store.UnlockWriter();
  store.AfterCommit();
  if (status.ok() && durability == Durability::kPower) status = store.Sync();
  return status.ok();
}

bool Combine(Bench& bench, Durability durability) {
  InsertOp op(bench.body, durability);
  return bench.writer->Run(&op, true).ok();
}

bool Hop(Bench& bench, Durability durability) {
  InsertOp op(bench.body, durability);
  if (!bench.writer->Submit(&op, true).ok()) return false;
  op.Await();
  return op.ok();
}

// Calls without pause until the time is over; the latencies in microseconds.
std::vector<double> Repeat(Bench& bench, const Call& call, Durability durability, double seconds) {
  std::vector<double> latencies;
  double begin = NowUs();
  const double end = begin + seconds * 1e6;
  while (begin < end) {
    if (!call(bench, durability)) Die(Status(Code::kInternal, "a write failed"));
    const double now = NowUs();
    latencies.push_back(now - begin);
    begin = now;
  }
  return latencies;
}

double CpuUs(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

struct Row {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double cpu_us =
      0;  // of all threads and processes, for one call; says more than the rest on a busy machine
};

Row Summarise(std::vector<double>* latencies, double seconds, double cpu_us) {
  std::sort(latencies->begin(), latencies->end());
  const auto at = [&](double fraction) {
    return (*latencies)[static_cast<size_t>(static_cast<double>(latencies->size() - 1) * fraction)];
  };
  return {static_cast<double>(latencies->size()) / seconds, at(0.5), at(0.99), at(0.999),
          cpu_us / static_cast<double>(latencies->size())};
}

Row InThreads(const std::string& path, const Call& call, Durability durability, int threads,
              double seconds) {
  Bench bench(path);
  static_cast<void>(Repeat(bench, call, durability, 0.05));  // caches, threads
  const double cpu_us = CpuUs(RUSAGE_SELF);
  std::vector<std::vector<double>> latencies(static_cast<size_t>(threads));
  std::vector<std::thread> all;
  for (auto& own : latencies) {
    all.emplace_back([&] { own = Repeat(bench, call, durability, seconds); });
  }
  for (std::thread& thread : all) thread.join();
  std::vector<double> together;
  const double cpu_used_us = CpuUs(RUSAGE_SELF) - cpu_us;
  for (const auto& own : latencies) together.insert(together.end(), own.begin(), own.end());
  return Summarise(&together, seconds, cpu_used_us);
}

// The latencies travel through pipes.
Row InProcesses(const std::string& path, const Call& call, Durability durability, int processes,
                double seconds) {
  const double cpu_us = CpuUs(RUSAGE_CHILDREN);
  std::vector<int> pipes;
  for (int i = 0; i < processes; ++i) {
    int ends[2];
    if (pipe(ends) != 0) Die(Status(Code::kInternal, "pipe"));
    const pid_t child = fork();
    if (child < 0) Die(Status(Code::kInternal, "fork"));
    if (child == 0) {
      {
        Bench bench(path);
        const std::vector<double> own = Repeat(bench, call, durability, seconds);
        const auto* bytes = reinterpret_cast<const char*>(own.data());
        for (size_t sent = 0; sent < own.size() * sizeof(double);) {
          const ssize_t n = write(ends[1], bytes + sent, own.size() * sizeof(double) - sent);
          if (n <= 0) _exit(1);
          sent += static_cast<size_t>(n);
        }
      }
      _exit(0);
    }
    close(ends[1]);
    pipes.push_back(ends[0]);
  }
  std::vector<double> together;
  for (const int end : pipes) {
    double value = 0;
    size_t have = 0;
    for (;;) {
      const ssize_t n = read(end, reinterpret_cast<char*>(&value) + have, sizeof(value) - have);
      if (n <= 0) break;
      have += static_cast<size_t>(n);
      if (have < sizeof(value)) continue;
      together.push_back(value);
      have = 0;
    }
    close(end);
  }
  while (wait(nullptr) > 0) {
  }
  if (together.empty()) Die(Status(Code::kInternal, "the children measured nothing"));
  return Summarise(&together, seconds, CpuUs(RUSAGE_CHILDREN) - cpu_us);
}

struct Arguments {
  std::filesystem::path dir = std::filesystem::temp_directory_path();
  double seconds = 1;
  int rounds = 3;
};

struct Scheme {
  const char* name;
  Call call;
};

// Rounds alternate between the schemes; the median by throughput is printed.
void Compare(const Arguments& arguments, const char* who, Durability durability,
             const std::vector<Scheme>& schemes,
             const std::function<Row(const std::string&, const Call&)>& run) {
  std::vector<std::vector<Row>> rows(schemes.size());
  for (int round = 0; round < arguments.rounds; ++round) {
    for (size_t i = 0; i < schemes.size(); ++i) {
      std::string folder = (arguments.dir / "millrace-bench-XXXXXX").string();
      if (!mkdtemp(folder.data())) Die(Status(Code::kIoError, "cannot create " + folder));
      rows[i].push_back(run(folder + "/bench.db", schemes[i].call));
      std::filesystem::remove_all(folder);
    }
  }
  for (size_t i = 0; i < schemes.size(); ++i) {
    std::sort(rows[i].begin(), rows[i].end(),
              [](const Row& a, const Row& b) { return a.per_second < b.per_second; });
    const Row& median = rows[i][rows[i].size() / 2];
    std::printf("%-12s %-8s %-8s %9.0f/s  p50 %8.1f  p99 %8.1f  p99.9 %8.1f us  cpu %6.1f us\n",
                who, DurabilityName(durability), schemes[i].name, median.per_second, median.p50_us,
                median.p99_us, median.p999_us, median.cpu_us);
    std::fflush(stdout);
  }
}

Arguments Parse(int argc, char* argv[]) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--dir") == 0) arguments.dir = argv[i + 1];
    if (std::strcmp(argv[i], "--seconds") == 0) arguments.seconds = std::atof(argv[i + 1]);
    if (std::strcmp(argv[i], "--rounds") == 0)
      arguments.rounds = std::max(1, std::atoi(argv[i + 1]));
  }
  return arguments;
}

int Main(int argc, char* argv[]) {
  const Arguments arguments = Parse(argc, argv);
  const std::vector<Scheme> schemes{{"bare", Bare}, {"combine", Combine}, {"hop", Hop}};
  for (const Durability durability : {Durability::kProcess, Durability::kPower}) {
    Compare(arguments, "1 caller", durability, schemes,
            [&](const std::string& path, const Call& call) {
              return InThreads(path, call, durability, 1, arguments.seconds);
            });
    Compare(arguments, "8 threads", durability, schemes,
            [&](const std::string& path, const Call& call) {
              return InThreads(path, call, durability, kThreads, arguments.seconds);
            });
    Compare(arguments, "8 processes", durability, schemes,
            [&](const std::string& path, const Call& call) {
              return InProcesses(path, call, durability, kProcesses, arguments.seconds);
            });
  }
  return 0;
}

}  // namespace
}  // namespace millrace::store

int main(int argc, char* argv[]) {
  return millrace::store::Main(argc, argv);
}
