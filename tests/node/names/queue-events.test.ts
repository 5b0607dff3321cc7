import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { QueueEvents, QueueEventsProducer } from "millrace";

import { Bench, until } from "../support.js";

interface Own {
  sent: (args: { to: string; n: number }, id: string) => void;
}

function producer(bench: Bench): QueueEventsProducer {
  return bench.add(new QueueEventsProducer("q", { store: bench.store, durability: "process" }));
}

describe("QueueEventsProducer", () => {
  it("QueueEventsProducer.publishEvent", async (t) => {
    const bench = new Bench(t);
    const events = await bench.events();
    const heard: [unknown, string][] = [];
    events.on<Own>("sent", (args: { to: string; n: number }, id: string) => {
      heard.push([args, id]);
    });
    const own = producer(bench);
    await own.waitUntilReady();
    await own.publishEvent({ eventName: "sent", to: "ann", n: 1 });
    await own.publishEvent({ eventName: "nobody listens" });
    await own.publishEvent({ eventName: "sent", to: "é", n: 2 }, 10);
    await until(() => heard.length === 2);
    assert.deepEqual(
      heard.map(([args]) => args),
      [
        { to: "ann", n: 1 },
        { to: "é", n: 2 },
      ],
    );
    assert.match(heard[0]![1], /^\d+-\d+$/);
    // One that comes later reads them from the log.
    const again = bench.add(
      new QueueEvents("q", { store: bench.store, lastEventId: heard[0]![1] }),
    );
    const missed: unknown[] = [];
    again.on<Own>("sent", (args: unknown) => void missed.push(args));
    await until(() => missed.length === 1);
    assert.deepEqual(missed, [{ to: "é", n: 2 }]);
  });

  it("custom events come in the order of the queue's own", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    const heard: string[] = [];
    events.on("added", ({ jobId }) => heard.push(jobId));
    events.on<Own>("sent", ({ to }: { to: string }) => void heard.push(to));
    const own = producer(bench);
    for (let i = 0; i < 10; i++) {
      await queue.add("n", {}, { jobId: `job${i}` });
      await own.publishEvent({ eventName: "sent", to: `event${i}`, n: i });
    }
    await until(() => heard.length === 20);
    assert.deepEqual(heard, Array.from({ length: 10 }, (_, i) => [`job${i}`, `event${i}`]).flat());
  });

  it("refuses what is no event, and writes nothing", async (t) => {
    const bench = new Bench(t);
    const own = producer(bench);
    const bad: [unknown, RegExp][] = [
      ["sent", /event must be/],
      [{}, /eventName must be/],
      [{ eventName: "" }, /eventName/],
      [{ eventName: "completed" }, /"completed" is an event of the queue itself/],
      [{ eventName: "sent", big: 1n }, /cannot be written as JSON/],
    ];
    for (const [event, message] of bad) {
      await assert.rejects(own.publishEvent(event as never), {
        code: "invalid_argument",
        message,
      });
    }
    assert.throws(() => new QueueEventsProducer("q", { connection: {} } as never), /no server/);
    await own.close();
    await assert.rejects(own.publishEvent({ eventName: "sent" }), { code: "closed" });
  });

  it("thousands of listeners hear one reader", async (t) => {
    const bench = new Bench(t);
    const queue = bench.queue();
    const events = await bench.events();
    let heard = 0;
    for (let i = 0; i < 5000; i++) events.on("completed", () => (heard += 1));
    bench.worker(() => 1, { concurrency: 10 });
    await queue.addBulk(Array.from({ length: 20 }, () => ({ name: "n", data: {} })));
    await until(() => heard === 20 * 5000);
  });
});
