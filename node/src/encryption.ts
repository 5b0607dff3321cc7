// The store's option `encryption`: keys for payloads. A secret must not show in any message.
import { checkBoolean, checkKnownOptions, checkObject, checkOneOf, checkString } from "./check.js";
import { invalidArgument } from "./errors.js";
import { SEALINGS } from "./job-model.js";
import type { NativeStoreOptions } from "./native.cjs";
import type { Sealing } from "./types.js";

/** A key that seals payloads, or opens what it has sealed. */
export interface EncryptionKey {
  /** 1 to 32 of A-Z, a-z, 0-9, ".", "_" and "-"; stored beside what was sealed with it. */
  id: string;
  /** 32 bytes, or their base64 or hexadecimal text. */
  secret: Uint8Array | string;
}

/** The option `encryption` of a store. */
export interface EncryptionOptions {
  /** The first one seals, all of them open: to rotate, put a new one in front. */
  keys: EncryptionKey[];
  /** Of jobs that do not say otherwise. Default `encrypt`; `sign`: readable, but changes are detected. */
  mode?: Sealing;
  /** true: what is not sealed is refused. Default false. */
  require?: boolean;
}

const SECRET_BYTES = 32;
const KEY_ID = /^[A-Za-z0-9._-]{1,32}$/;
const HEX = /^[0-9a-fA-F]{64}$/;
const BASE64 = /^[A-Za-z0-9+/_-]{43}=?$/;

function secretBytes(what: string, secret: unknown): Uint8Array {
  if (secret instanceof Uint8Array) {
    if (secret.byteLength === SECRET_BYTES) return secret;
    throw invalidArgument(`${what} must have ${SECRET_BYTES} bytes, not ${secret.byteLength}`);
  }
  if (typeof secret === "string") {
    if (HEX.test(secret)) return Buffer.from(secret, "hex");
    if (BASE64.test(secret)) return Buffer.from(secret, "base64");
  }
  throw invalidArgument(
    `${what} must be ${SECRET_BYTES} bytes, or their base64 (44 characters) or hexadecimal (64) text`,
  );
}

export function packEncryption(
  what: string,
  options: unknown,
): NonNullable<NativeStoreOptions["encryption"]> {
  checkObject(what, options);
  checkKnownOptions(what, options, new Set(["keys", "mode", "require"]));
  const { keys, mode = "encrypt", require = false } = options as Partial<EncryptionOptions>;
  if (!Array.isArray(keys) || keys.length === 0) {
    throw invalidArgument(`${what}.keys must be an array of {id, secret}, with at least one`);
  }
  checkOneOf(`${what}.mode`, mode, SEALINGS.slice(1));
  checkBoolean(`${what}.require`, require);
  const packed = keys.map((key: unknown, i) => {
    checkObject(`${what}.keys[${i}]`, key);
    checkKnownOptions(`${what}.keys[${i}]`, key, new Set(["id", "secret"]));
    checkString(`${what}.keys[${i}].id`, key["id"]);
    if (!KEY_ID.test(key["id"])) {
      throw invalidArgument(`${what}.keys[${i}].id must be 1 to 32 of A-Z, a-z, 0-9, . _ and -`);
    }
    return { id: key["id"], secret: secretBytes(`${what}.keys[${i}].secret`, key["secret"]) };
  });
  return { keys: packed, mode: SEALINGS.indexOf(mode), require };
}
