// Finds what JSON cannot hold, to name it by its path. JSON.stringify() drops functions without a word, makes {} of a
// promise that nobody awaited and of a Map, and says of a BigInt or a cycle not where it is.

/** Deeper values are left to JSON.stringify(): it ends by itself, and so does this. */
const DEPTH_MAX = 200;

/** Whether something in it would be lost: cheap, as every payload is looked through. */
export function losesSomething(value: unknown, depth = 0): boolean {
  if (typeof value === "function" || typeof value === "symbol") return true;
  if (typeof value !== "object" || value === null || depth > DEPTH_MAX) return false;
  if (Array.isArray(value)) {
    for (const each of value) {
      if (typeof each === "string" || typeof each === "number") continue;
      if (losesSomething(each, depth + 1)) return true;
    }
    return false;
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return false;
  if (lostClass(value) !== undefined) return true;
  for (const key in value) {
    const each = (value as Record<string, unknown>)[key];
    if (typeof each === "string" || typeof each === "number") continue;
    if (losesSomething(each, depth + 1) && Object.hasOwn(value, key)) return true;
  }
  return false;
}

/** Classes whose content is in no property: JSON makes {} of them. */
const LOST = [Promise, Map, Set, WeakMap, WeakSet, WeakRef] as const;

function lostClass(value: object): string | undefined {
  if (value.constructor === Object) return undefined;
  return LOST.find((each) => value instanceof each)?.name;
}

/** The first thing in `value` that has no JSON form, such as `data.items[3].price is a BigInt`; undefined: none. */
export function findUnwritable(name: string, value: unknown): string | undefined {
  const above = new Map<object, string>();
  const look = (path: string, each: unknown): string | undefined => {
    const scalar = unwritableScalar(each);
    if (scalar !== undefined) return `${path} is ${scalar}`;
    if (typeof each !== "object" || each === null || above.size > DEPTH_MAX) return undefined;
    const seen = above.get(each);
    if (seen !== undefined) return `${path} is ${seen} again, which contains it`;
    if (typeof (each as { toJSON?: unknown }).toJSON === "function") return undefined;
    const lost = lostClass(each);
    if (lost !== undefined) return `${path} is a ${lost}, of which JSON keeps nothing`;
    above.set(each, path);
    for (const [key, inner] of Object.entries(each)) {
      const found = look(join(path, key, Array.isArray(each)), inner);
      if (found !== undefined) return found;
    }
    above.delete(each);
    return undefined;
  };
  try {
    return look(name, value);
  } catch {
    return undefined; // a getter or a proxy of the user's: JSON.stringify() has said what it says
  }
}

function unwritableScalar(value: unknown): string | undefined {
  if (typeof value === "bigint") return `a BigInt (${value}n)`;
  if (typeof value === "function") return "a function";
  if (typeof value === "symbol") return "a symbol";
  return undefined;
}

function join(path: string, key: string, isArray: boolean): string {
  if (isArray) return `${path}[${key}]`;
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key)
    ? `${path}.${key}`
    : `${path}[${JSON.stringify(key)}]`;
}
