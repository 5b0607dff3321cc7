// Ends in every way there is, most often well.
export default async function processor(job) {
  const chance = Math.random();
  if (chance < 0.02) process.exit(3);
  if (chance < 0.03) throw new Error("not this time");
  if (chance < 0.04)
    setImmediate(() => {
      throw new Error("a crash");
    });
  if (chance < 0.06) {
    const until = Date.now() + 100; // a blocked loop
    while (Date.now() < until);
  }
  await job.updateProgress(job.data.n);
  return { pid: process.pid, n: job.data.n };
}
