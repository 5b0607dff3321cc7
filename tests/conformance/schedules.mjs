// The scenarios' operations on schedules, for the runner on the addon; `this` is the runner.
import { Reader } from "../../node/dist/esm/wire.js";
import { readSchedule, timingNumbers, timingText } from "../../node/dist/esm/wire-model.js";
import { packJobs } from "./jobs.mjs";
import { since, moment } from "./values.mjs";

const BY_THE_STORE = -1;
const OVERLAPS = ["allow", "skip", "queue_one"];
const CATCH_UPS = ["none", "last", "all"];

function timingOf(given) {
  return {
    ...{ cron: given.cron ?? "", timeZone: given.time_zone ?? "", solar: given.solar ?? "" },
    ...{ every: given.every_ms ?? 0, offset: given.offset_ms ?? 0 },
    ...{ latitude: given.latitude ?? 0, longitude: given.longitude ?? 0 },
    ...{ startAt: moment(given.start_at_ms), endAt: moment(given.end_at_ms) },
  };
}

function shown(runner, step, schedule) {
  const { lastJobId } = schedule;
  if (step.as !== undefined && lastJobId !== "") runner.remember(step.as, lastJobId);
  return {
    ...{ id: schedule.id, next_at_ms: since(schedule.nextAt), last_at_ms: since(schedule.lastAt) },
    ...{ fired: schedule.fired, skipped: schedule.skipped, paused: schedule.paused },
    last_job: lastJobId === "" ? null : runner.nameOf(lastJobId),
  };
}

export const scheduleOperations = {
  async put_schedule(step) {
    const given = step.schedule;
    const timing = timingOf(given);
    const job = packJobs(this, [given.job ?? {}]);
    const numbers = [
      ...[...timingNumbers(timing), given.limit ?? 0, given.jitter_ms ?? 0],
      ...[OVERLAPS.indexOf(given.overlap ?? "allow"), CATCH_UPS.indexOf(given.catch_up ?? "last")],
      ...[given.catch_up_max ?? 100, given.paused ? 1 : 0, given.immediately ? 1 : 0],
      given.from_start ? 1 : 0,
      ...job.numbers,
    ];
    const text = `${given.id ?? "s"}\0${timingText(timing)}${job.text}`;
    const packed = await this.engine.putSchedule(Float64Array.from(numbers), text, BY_THE_STORE);
    return shown(this, step, readSchedule(new Reader(packed)));
  },
  async schedule(step) {
    const packed = await this.engine.getSchedule(step.id ?? "s");
    return shown(this, step, readSchedule(new Reader(packed)));
  },
  async schedules({ after = "", limit = 1000 }) {
    const packed = await this.engine.listSchedules(after, limit);
    return new Reader(packed).list(readSchedule).map(({ id }) => id);
  },
  pause_schedule({ id = "s", paused = true }) {
    return this.engine.changeSchedule(paused ? "pause" : "resume", id, BY_THE_STORE);
  },
  remove_schedule({ id = "s" }) {
    return this.engine.changeSchedule("remove", id, BY_THE_STORE);
  },
  async preview(step) {
    const timing = timingOf(step.timing);
    const numbers = Float64Array.from(timingNumbers(timing));
    const packed = await this.engine.previewTiming(
      ...[numbers, timingText(timing), moment(step.after_at_ms), step.count ?? 10],
    );
    return new Reader(packed).list((each) => since(each.number()));
  },
};
