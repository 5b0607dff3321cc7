// How answers look to people: plain text that is the same in every language.

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;
const YEAR_9999_MS = 253_402_300_799_999;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Text of unknown origin without what could steer a terminal. */
export function clean(text: string): string {
  return text.replace(
    CONTROL,
    (found) => `\\x${found.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** A value as JSON in one line. */
export function compact(value: unknown): string {
  return clean(JSON.stringify(value));
}

/** The beginning of a text that may be long. */
export function clip(text: string, width: number): string {
  const points = Array.from(text);
  return points.length <= width ? text : `${points.slice(0, width - 3).join("")}...`;
}

/** A time of the store, in UTC; "-" for none. Years beyond 9999 are shown in milliseconds. */
export function time(atMs: number | null): string {
  if (atMs !== null && (atMs < 0 || atMs > YEAR_9999_MS)) return `${atMs}`;
  return atMs === null ? "-" : `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}

/** A number of bytes. */
export function size(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${count} B` : `${value.toFixed(1)} ${UNITS[unit] ?? ""}`;
}

/** A number with its noun. */
export function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

function width(text: string): number {
  return Array.from(text).length;
}

/** Lines with aligned columns; numbers stand to the right. */
export function table(head: string[], rows: (string | number)[][]): string[] {
  const texts = [
    head,
    ...rows.map((row) => row.map((cell) => (typeof cell === "number" ? `${cell}` : clean(cell)))),
  ];
  const widths = head.map((_, i) => Math.max(...texts.map((line) => width(line[i] ?? ""))));
  const right = head.map(
    (_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number"),
  );
  return texts.map((line) =>
    line
      .map((cell, i) => {
        const fill = " ".repeat((widths[i] ?? 0) - width(cell));
        return right[i] === true ? fill + cell : cell + fill;
      })
      .join("  ")
      .trimEnd(),
  );
}
