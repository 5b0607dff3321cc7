// What moves a job that is in the hands of this process: by its processor, or by a program that fetched it itself.
import { checkDuration, checkString, show } from "./check.js";
import { childrenRefusal } from "./endings.js";
import { invalidArgument } from "./errors.js";
import type { Flow } from "./flow.js";
import { JobChanges } from "./job-changes.js";
import { missingJob, missingLock, notInState } from "./job-errors.js";
import type { JobRunner, NextJob } from "./job-runner.js";

function checkToken(what: string, token: unknown): asserts token is string | undefined {
  if (token !== undefined) checkString(`${what}: token`, token);
}

export abstract class JobMoves<Data, Result, Name extends string> extends JobChanges<
  Data,
  Result,
  Name
> {
  /**
   * Completes a job that worker.getNextJob() answered; resolves when that is written. With `fetchNext` it answers the
   * next job as [json, id, ...] for Job.fromJSON(), without an id if there is none now. In a processor it ends the job
   * at once, and what the processor returns later is not used.
   */
  async moveToCompleted(
    returnValue: Result,
    token?: string,
    fetchNext = true,
  ): Promise<NextJob | undefined> {
    checkToken("job.moveToCompleted", token);
    const runner = await this.#holder("moveToFinished");
    return runner.end(this.self, { result: returnValue }, token, fetchNext);
  }

  /** The same for a failure: it is retried as the job's options say. */
  async moveToFailed(
    error: Error,
    token?: string,
    fetchNext = false,
  ): Promise<NextJob | undefined> {
    checkToken("job.moveToFailed", token);
    if (!(error instanceof Error)) {
      throw invalidArgument(`job.moveToFailed: error must be an Error, not ${show(error)}`);
    }
    const runner = await this.#holder("moveToFinished");
    return runner.end(this.self, { error }, token, fetchNext);
  }

  /**
   * Sends the job back until a time; the attempt is not counted. In a processor it takes effect when that has ended:
   * throw a DelayedError after it.
   */
  async moveToDelayed(timestamp: number, token?: string): Promise<void> {
    checkDuration("job.moveToDelayed: timestamp", timestamp);
    checkToken("job.moveToDelayed", token);
    const runner = await this.#holder("moveToDelayed");
    const now = (await this.host.connection.ready).now();
    const delay = Math.max(0, timestamp - now);
    await runner.postpone(this.self, delay, token, "moveToDelayed");
    this.delay = delay;
  }

  /** Sends the job back to its place. In a processor throw a WaitingError after it. Answers 0. */
  async moveToWait(token?: string): Promise<number> {
    checkToken("job.moveToWait", token);
    const runner = await this.#holder("moveJobFromActiveToWait");
    await runner.postpone(this.self, 0, token, "moveJobFromActiveToWait");
    return 0;
  }

  /**
   * In its processor, after adding jobs with `parent: job`: whether there is something to wait for. If so, throw a
   * WaitingChildrenError; the processor is called again when they are done. `children`: a flow that is added in the
   * commit with which the job begins to wait, to wait for the jobs in it that nobody else waits for. A job that is
   * worked by hand begins to wait at once.
   */
  async moveToWaitingChildren(token?: string, options: { children?: Flow } = {}): Promise<boolean> {
    checkToken("job.moveToWaitingChildren", token);
    const runner = await this.#holder("moveToWaitingChildren");
    const refusal = await childrenRefusal(this.self, "moveToWaitingChildren");
    if (refusal !== undefined) throw refusal;
    if (options.children !== undefined) runner.waitFor(this.self, options.children);
    else if ((await this.dependencies({ limit: 1 })).pending === 0) return false;
    await runner.waitNow(this.self, token);
    return true;
  }

  /** 1 if this process has the job, under this token, else 0. A lease needs no extension: it ends with its process. */
  async extendLock(token: string, duration: number): Promise<number> {
    checkString("job.extendLock: token", token);
    checkDuration("job.extendLock: duration", duration);
    await this.host.connection.ready;
    return this.#runnerHere()?.holds(this.self, token) === true ? 1 : 0;
  }

  /** In its processor: if it fails now, it is not tried again. Of BullMQ 5; an UnrecoverableError says the same. */
  discard(): void {
    this.running().discard(this.self);
  }

  #runnerHere(): JobRunner | undefined {
    return this.runner ?? this.host.connection.holderOf(this.id, this.queueName)?.runner;
  }

  /** The worker of this process that has the job; BullMQ's errors if none has. */
  async #holder(command: string): Promise<JobRunner> {
    const runner = this.#runnerHere();
    if (runner?.holds(this.self, undefined) === true) return runner;
    const state = await this.getState();
    if (state === "unknown") throw missingJob(this.id, command);
    if (state !== "active") throw notInState(this.id, "active", command);
    throw missingLock(this.id, command);
  }
}
