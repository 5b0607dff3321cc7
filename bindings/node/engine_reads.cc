// The reading half of EngineObject: argument order as in node/src/native.cts, answers packed on the
// pool thread.
#include <utility>

#include "engine.h"
#include "wire.h"

namespace millrace::node {
// getJob(id, queue)
Napi::Value EngineObject::GetJob(Info info) {
  return Run(info, "millrace.getJob", [job = JobArgument(info, 0)](EngineShare& engine) {
    return Map(engine->GetJob(job), [](const JobInfo& found) {
      Packed packed;
      PackInfo(found, &packed);
      return PackedAnswer(std::move(packed));
    });
  });
}

// getOutcome(id, queue)
Napi::Value EngineObject::GetOutcome(Info info) {
  return Run(info, "millrace.getOutcome", [job = JobArgument(info, 0)](EngineShare& engine) {
    return Map(engine->GetOutcome(job), [](const JobOutcome& outcome) {
      Packed packed;
      PackOutcome(outcome, &packed);
      return PackedAnswer(std::move(packed));
    });
  });
}

// listJobs(queue, state, name, offset, limit, descending)
Napi::Value EngineObject::ListJobs(Info info) {
  ListQuery query;
  query.queue = TextArgument(info, 0);
  query.state = static_cast<JobState>(IntegerArgument(info, 1));
  query.name = TextArgument(info, 2);
  query.offset = IntegerArgument(info, 3);
  query.limit = IntegerArgument(info, 4);
  query.descending = FlagArgument(info, 5);
  return Run(info, "millrace.listJobs", [query](EngineShare& engine) {
    return Map(engine->ListJobs(query),
               [](const std::vector<JobInfo>& jobs) { return PackAll(jobs, PackInfo); });
  });
}

// counts(queue)
Napi::Value EngineObject::Counts(Info info) {
  return Run(info, "millrace.counts", [queue = TextArgument(info, 0)](EngineShare& engine) {
    return Map(engine->Counts(queue), [](const QueueCounts& counts) {
      Packed packed;
      PackCounts(counts, &packed);
      return PackedAnswer(std::move(packed));
    });
  });
}

Napi::Value EngineObject::ListQueues(Info info) {
  return Run(info, "millrace.listQueues", [](EngineShare& engine) {
    return Map(engine->ListQueues(),
               [](const std::vector<QueueCounts>& queues) { return PackAll(queues, PackCounts); });
  });
}

Napi::Value EngineObject::ListWorkers(Info info) {
  return Run(info, "millrace.listWorkers", [](EngineShare& engine) {
    return Map(engine->ListWorkers(),
               [](const std::vector<WorkerInfo>& workers) { return PackAll(workers, PackWorker); });
  });
}

// getLogs(id, queue, offset, limit)
Napi::Value EngineObject::GetLogs(Info info) {
  return Run(info, "millrace.getLogs",
             [job = JobArgument(info, 0), offset = IntegerArgument(info, 2),
              limit = IntegerArgument(info, 3)](EngineShare& engine) {
               return Map(engine->GetLogs(job, offset, limit),
                          [](const std::vector<LogLine>& lines) {
                            return PackAll<LogLine>(lines, [](const LogLine& line, Packed* out) {
                              out->Number(static_cast<double>(line.at_ms));
                              out->Text(line.text);
                            });
                          });
             });
}

// readEvents(queues, after, jobId, limit)
Napi::Value EngineObject::ReadEvents(Info info) {
  EventQuery query;
  QueuesArgument(info, 0, &query);
  query.after = TextArgument(info, 1);
  query.job_id = TextArgument(info, 2);
  query.limit = static_cast<int32_t>(IntegerArgument(info, 3));
  return Run(info, "millrace.readEvents", [query](EngineShare& engine) {
    return Map(engine->ReadEvents(query), [](const EventPage& page) {
      Packed packed;
      PackPage(page, &packed);
      return PackedAnswer(std::move(packed));
    });
  });
}

// adminJson(what, first, second, limit): the answers that are JSON text already. For doctor a limit
// that is not 0 asks for repair.
Napi::Value EngineObject::AdminJson(Info info) {
  return Run(
      info, "millrace.admin",
      [what = TextArgument(info, 0), first = TextArgument(info, 1), second = TextArgument(info, 2),
       limit = IntegerArgument(info, 3)](EngineShare& engine) -> Result<Answer> {
        if (what == "inspect") return Map(engine->InspectJson(), TextAnswer);
        if (what == "job") return Map(engine->JobJson({first, second}), TextAnswer);
        if (what == "dead") return Map(engine->DeadJson(first, second, limit), TextAnswer);
        if (what == "doctor") return Map(engine->DoctorJson(limit != 0), TextAnswer);
        if (what == "stats") return Map(engine->StatsJson(), TextAnswer);
        return Status(Code::kInvalidArgument, "no such report: " + what);
      });
}

// backup(destination)
Napi::Value EngineObject::Backup(Info info) {
  return Run(info, "millrace.backup", [destination = TextArgument(info, 0)](EngineShare& engine) {
    return Map(engine->Backup(destination), [](const BackupInfo& backup) {
      Packed packed;
      packed.Number(static_cast<double>(backup.bytes));
      packed.Number(static_cast<double>(backup.pages));
      return PackedAnswer(std::move(packed));
    });
  });
}

}  // namespace millrace::node
