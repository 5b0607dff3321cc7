// A queue's figures in Prometheus's text format, under the names that BullMQ's users have in their dashboards.

function escape(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

/** `totals`: the jobs that ever ended so. */
export function prometheusText(
  queue: string,
  labels: Record<string, string>,
  counts: Record<string, number>,
  totals: { completed: number; failed: number },
): string {
  const own = Object.entries(labels).map(([name, value]) => `, ${name}="${escape(value)}"`);
  const sample = (name: string, value: number, state = ""): string =>
    `${name}{queue="${escape(queue)}"${state}${own.join("")}} ${value}`;
  const lines = [
    "# HELP bullmq_job_count Number of jobs in the queue by state",
    "# TYPE bullmq_job_count gauge",
  ];
  for (const [state, count] of Object.entries(counts)) {
    lines.push(sample("bullmq_job_count", count, `, state="${state}"`));
  }
  for (const state of ["completed", "failed"] as const) {
    const name = `bullmq_job_${state}_total`;
    lines.push(`# HELP ${name} Total number of ${state} jobs`, `# TYPE ${name} counter`);
    lines.push(sample(name, totals[state]));
  }
  return lines.join("\n");
}
