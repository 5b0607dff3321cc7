// Tells our objects from others, also those of the other copy of this package (ES module, CommonJS): each has classes
// of its own, and instanceof knows only one's.
const KIND = Symbol.for("millrace.kind");

type Kind = "error" | "flow" | "queue" | "store";

/** Marks the objects of a class and of those that extend it. */
export function mark(prototype: object, kind: Kind): void {
  Object.defineProperty(prototype, KIND, { value: kind });
}

export function isOfKind(value: unknown, kind: Kind): boolean {
  if (typeof value !== "object" || value === null) return false;
  return (value as { [KIND]?: unknown })[KIND] === kind;
}
