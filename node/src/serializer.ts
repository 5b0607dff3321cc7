// Payloads: JSON text, the same in every language.
import { MillraceError } from "./errors.js";
import { findUnwritable, losesSomething } from "./unwritable.js";

/** ContentType of the core. */
export const CONTENT_JSON = 0;

/** How an argument is called in a message; a function where building the name would cost every good call. */
export type Label = string | (() => string);

/**
 * The JSON text of data, a result or progress. `undefined` as a whole travels as `absent`, as a property it is left out.
 * What JSON cannot hold is refused and named by its path.
 */
export function encodeJson(label: Label, value: unknown, absent: "null" | "{}"): string {
  if (value === undefined) return absent;
  let text: string | undefined;
  try {
    if (losesSomething(value)) throw unwritable(label, value);
    text = JSON.stringify(value);
  } catch (error) {
    throw error instanceof MillraceError ? error : unwritable(label, value, error);
  }
  if (text === undefined) throw unwritable(label, value); // its toJSON() answers nothing
  return text;
}

function unwritable(label: Label, value: unknown, cause?: unknown): MillraceError {
  const name = labelText(label);
  const root = /data|result|progress|checkpoint/.exec(name)?.[0] ?? "value";
  const found = findUnwritable(root, value);
  const why = found ?? (cause instanceof Error ? cause.message : "it has no JSON form");
  const message = `${name} cannot be written as JSON: ${why}`;
  return new MillraceError("invalid_argument", message, cause === undefined ? {} : { cause });
}

/** The JSON text of a job's data, which may have a bound of its own. `label` names the call. */
export function encodeData(label: Label, data: unknown, sizeLimit: number | undefined): string {
  const json = encodeJson(() => `${labelText(label)}: data`, data, "{}");
  if (sizeLimit === undefined) return json;
  const size = Buffer.byteLength(json);
  if (size <= sizeLimit) return json;
  throw new MillraceError(
    "too_large",
    `${labelText(label)}: data has ${size} bytes, sizeLimit is ${sizeLimit}`,
  );
}

export function labelText(label: Label): string {
  return typeof label === "string" ? label : label();
}

/** The inverse. Bodies of another content type arrive as a Buffer and are handed over as they are. */
export function decodeJson(what: string, body: string | Buffer): unknown {
  if (typeof body !== "string") return body;
  if (body === "") return undefined;
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new MillraceError("corrupt", `${what} is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
