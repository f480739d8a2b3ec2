/**
 * Verifies the ledger in the reader's own browser, from the raw tiles, with nothing of the server's but bytes: Web Crypto and this file.
 *
 * Sources: RFC 6962 section 2.1 (hashing), RFC 9162 sections 2.1.3 and 2.1.4 (proofs), c2sp.org/tlog-tiles, c2sp.org/signed-note and
 * c2sp.org/tlog-checkpoint. Nothing here claims success for what it did not compute: everything else is a LedgerError.
 */

const WIDTH = 256; // hashes of a tile, entries of a bundle
const HASH = 32; // bytes
const ED25519 = 1; // algorithm byte of signed notes
const BATCH = 512; // digests under way at once
const AHEAD = 4; // requests under way at once
const MOST = 5_000_000; // entries whose tree a browser keeps in memory

/**
 * What does not hold. `problem` is stable: `unsupported` (this browser cannot tell), `malformed`, `signature`, `key` (not the key or log
 * that this browser knows), `fetch`, `truncated`, `root`, `tile`, `inclusion`, `consistency`, `shrunk`, `absent`, `too_large`.
 */
export class LedgerError extends Error {
  /** @param {string} problem @param {string} message */
  constructor(problem, message) {
    super(message);
    this.name = "LedgerError";
    this.problem = problem;
  }
}

/** This browser lacks what verifying needs: nothing is verified, and nothing is wrong with the log on that account. */
export class Unsupported extends LedgerError {
  /** @param {string} message */
  constructor(message) {
    super("unsupported", message);
    this.name = "Unsupported";
  }
}

// ---- Bytes

/** @returns {SubtleCrypto} Web Crypto; Unsupported where a page may not use it. */
function subtle() {
  const found = globalThis.crypto?.subtle;
  if (!found) throw new Unsupported("this browser has no Web Crypto here (it needs https or localhost): nothing was verified");
  return found;
}

/** @param {Uint8Array} data @returns {Promise<Uint8Array>} SHA-256. */
async function sha256(data) {
  return new Uint8Array(await subtle().digest("SHA-256", data));
}

/** @param {...Uint8Array} parts @returns {Uint8Array} */
function joined(...parts) {
  const made = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}

/** @param {Uint8Array} a @param {Uint8Array} b @returns {boolean} */
export function same(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** @param {Uint8Array} data @returns {string} Lower-case hexadecimal. */
export function hex(data) {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} text @returns {Uint8Array} Canonical base64 only: two texts must never stand for one signature. */
function unbase64(text) {
  let raw = "";
  try {
    raw = atob(text);
  } catch {
    // told below
  }
  if (!raw || btoa(raw) !== text) throw new LedgerError("malformed", "malformed, empty or non-canonical base64");
  return Uint8Array.from(raw, (char) => char.charCodeAt(0));
}

/** @param {Uint8Array} data @returns {string} UTF-8, strictly. */
function utf8(data) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new LedgerError("malformed", "not UTF-8");
  }
}

// ---- Signed notes and checkpoints

const NAME = /^[^\s+\u0000-\u001f]{1,255}$/u;

/** @param {string} text @returns {string} */
function named(text) {
  if (!NAME.test(text)) throw new LedgerError("malformed", "not the name of a key");
  return text;
}

/**
 * A verifier key, `NAME+ID+KEY`.
 * @param {string} text
 * @returns {Promise<{name: string, id: string, key: Uint8Array}>} `id` in hexadecimal, `key` the 32 bytes of Ed25519.
 */
export async function parseVerifierKey(text) {
  const parts = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  if (!parts) throw new LedgerError("malformed", "a verifier key is NAME+ID+KEY");
  const [name, id, data] = [named(parts[1]), parts[2], unbase64(parts[3])];
  if (data.length !== HASH + 1 || data[0] !== ED25519) throw new LedgerError("malformed", "not an Ed25519 verifier key");
  const digest = await sha256(joined(new TextEncoder().encode(`${name}\n`), data));
  if (hex(digest.slice(0, 4)) !== id) throw new LedgerError("malformed", "the verifier key's id does not fit its name and key");
  return { name, id, key: data.slice(1) };
}

/**
 * Reads a signed note, without judging its signatures.
 * @param {Uint8Array | string} data
 * @returns {{text: string, signatures: {name: string, id: string, value: Uint8Array}[]}} `text` ends in a newline.
 */
export function parseNote(data) {
  const whole = typeof data === "string" ? data : utf8(data);
  if (/[\u0000-\u0009\u000b-\u001f]/.test(whole)) throw new LedgerError("malformed", "a note holds no control characters");
  const end = whole.lastIndexOf("\n\n");
  if (end < 0 || !whole.endsWith("\n") || end + 2 >= whole.length) {
    throw new LedgerError("malformed", "a note ends in an empty line and whole signature lines");
  }
  const lines = whole.slice(end + 2, -1).split("\n");
  if (lines.length > 100) throw new LedgerError("malformed", "a note of over 100 signatures");
  return { text: whole.slice(0, end + 1), signatures: lines.map(parseSignature) };
}

/** @param {string} line @returns {{name: string, id: string, value: Uint8Array}} */
function parseSignature(line) {
  const parts = /^\u2014 ([^ ]+) ([^ ]+)$/u.exec(line);
  const data = parts ? unbase64(parts[2]) : new Uint8Array();
  if (!parts || data.length < 5) throw new LedgerError("malformed", "a malformed signature line");
  return { name: named(parts[1]), id: hex(data.slice(0, 4)), value: data.slice(4) };
}

/**
 * The text of a note that the key signed. Other keys' lines are ignored; each that claims this key must verify.
 * @param {ReturnType<typeof parseNote>} note
 * @param {Awaited<ReturnType<typeof parseVerifierKey>>} verifier
 * @returns {Promise<string>}
 */
export async function verifyNote(note, verifier) {
  const claimed = note.signatures.filter((s) => s.name === verifier.name && s.id === verifier.id);
  if (!claimed.length) throw new LedgerError("signature", `not signed by ${verifier.name} (${verifier.id})`);
  const key = await imported(verifier.key);
  const text = new TextEncoder().encode(note.text);
  for (const signature of claimed) {
    if (!(await subtle().verify("Ed25519", key, signature.value, text))) {
      throw new LedgerError("signature", `the signature of ${verifier.name} does not verify`);
    }
  }
  return note.text;
}

/** @param {Uint8Array} raw @returns {Promise<CryptoKey>} */
async function imported(raw) {
  try {
    return await subtle().importKey("raw", raw, "Ed25519", false, ["verify"]);
  } catch (error) {
    if (error instanceof Unsupported) throw error;
    if (error?.name === "DataError") throw new LedgerError("malformed", "the verifier key is no point of the curve");
    throw new Unsupported("this browser's Web Crypto has no Ed25519: the signature cannot be verified here, and nothing was");
  }
}

/**
 * @param {string} text A checkpoint's note text.
 * @returns {{origin: string, size: number, root: Uint8Array, extensions: string[]}}
 */
export function parseCheckpoint(text) {
  const lines = text.split("\n");
  if (lines.length < 4 || lines.pop() !== "" || lines.includes("")) {
    throw new LedgerError("malformed", "a checkpoint has at least three lines, none of them empty");
  }
  const [origin, size, root, ...extensions] = lines;
  if (!/^(0|[1-9][0-9]{0,18})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw new LedgerError("malformed", "a checkpoint's size is a decimal without leading zeroes");
  }
  const hash = unbase64(root);
  if (hash.length !== HASH) throw new LedgerError("malformed", "a checkpoint's root has 32 bytes");
  return { origin, size: Number(size), root: hash, extensions };
}

/**
 * The checkpoint in a note that the log's key signed; a log's key is named after its origin.
 * @param {Uint8Array | string} data
 * @param {Awaited<ReturnType<typeof parseVerifierKey>>} verifier
 */
export async function openCheckpoint(data, verifier) {
  const checkpoint = parseCheckpoint(await verifyNote(parseNote(data), verifier));
  if (checkpoint.origin !== verifier.name) throw new LedgerError("key", `a checkpoint of ${checkpoint.origin}, not of ${verifier.name}`);
  return checkpoint;
}

// ---- The tree

/** @param {Uint8Array} entry @returns {Promise<Uint8Array>} SHA-256(0x00 || entry). */
export function leafHash(entry) {
  return sha256(joined(Uint8Array.of(0), entry));
}

/** @param {Uint8Array} left @param {Uint8Array} right @returns {Promise<Uint8Array>} SHA-256(0x01 || left || right). */
export function nodeHash(left, right) {
  return sha256(joined(Uint8Array.of(1), left, right));
}

/**
 * All complete subtrees over leaf hashes, level by level.
 * @param {Uint8Array} leaves Leaf hashes, one after the other.
 * @returns {Promise<Uint8Array[]>} Of each level its hashes, one after the other.
 */
export async function levelsOf(leaves) {
  const levels = [leaves];
  while (levels[levels.length - 1].length >= 2 * HASH) levels.push(await above(levels[levels.length - 1]));
  return levels;
}

/** @param {Uint8Array} row @returns {Promise<Uint8Array>} */
async function above(row) {
  const made = new Uint8Array(Math.floor(row.length / (2 * HASH)) * HASH);
  for (let first = 0; first < made.length; first += BATCH * HASH) {
    const hashes = [];
    for (let at = first; at < Math.min(made.length, first + BATCH * HASH); at += HASH) {
      hashes.push(sha256(joined(Uint8Array.of(1), row.subarray(2 * at, 2 * at + 2 * HASH))));
    }
    (await Promise.all(hashes)).forEach((hash, i) => made.set(hash, first + i * HASH));
  }
  return made;
}

/**
 * A reader of nodes from `levelsOf`.
 * @param {Uint8Array[]} levels
 * @returns {NodeReader}
 * @typedef {(level: number, index: number) => Uint8Array | Promise<Uint8Array>} NodeReader The hash of a complete subtree over
 * the leaves from index·2^level on.
 */
export function reader(levels) {
  return (level, index) => {
    const hash = levels[level]?.subarray(index * HASH, (index + 1) * HASH);
    if (hash?.length !== HASH) throw new LedgerError("truncated", `the tree has no node ${index} at level ${level}`);
    return hash;
  };
}

/** @param {number} width @returns {number} The largest power of two smaller than it. */
function split(width) {
  let k = 1;
  while (2 * k < width) k *= 2;
  return k;
}

/** @param {number} low @param {number} high @param {NodeReader} node @returns {Promise<Uint8Array>} MTH(D[low:high]). */
async function rangeHash(low, high, node) {
  const level = Math.log2(high - low);
  if (Number.isInteger(level)) return node(level, low / 2 ** level);
  const middle = low + split(high - low);
  return nodeHash(await rangeHash(low, middle, node), await rangeHash(middle, high, node));
}

/**
 * The root of the tree's first `size` leaves.
 * @param {number} size
 * @param {NodeReader} node
 * @returns {Promise<Uint8Array>}
 */
export async function rootAt(size, node) {
  return size === 0 ? sha256(new Uint8Array()) : rangeHash(0, size, node);
}

/** @param {Uint8Array} leaves Leaf hashes, one after the other. @returns {Promise<Uint8Array>} The root over them. */
export async function rootOf(leaves) {
  return rootAt(leaves.length / HASH, reader(await levelsOf(leaves)));
}

/**
 * The audit path of a leaf, from the leaf to the root (RFC 9162 section 2.1.3.1).
 * @param {number} index @param {number} size @param {NodeReader} node
 * @returns {Promise<Uint8Array[]>}
 */
export async function inclusion(index, size, node) {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) throw new LedgerError("absent", `no entry ${index} in a log of ${size}`);
  const path = [];
  let [low, high] = [0, size];
  while (high - low > 1) {
    const middle = low + split(high - low);
    const left = index < middle;
    path.unshift(await (left ? rangeHash(middle, high, node) : rangeHash(low, middle, node)));
    if (left) high = middle;
    else low = middle;
  }
  return path;
}

/**
 * Proof that the first `old` leaves are still the beginning (RFC 9162 section 2.1.4.1).
 * @param {number} old @param {number} size @param {NodeReader} node
 * @returns {Promise<Uint8Array[]>}
 */
export async function consistency(old, size, node) {
  if (old > size) throw new LedgerError("shrunk", `a log of ${size} entries cannot begin with ${old}`);
  const path = [];
  if (old === 0 || old === size) return path;
  let [low, high] = [0, size];
  while (high !== old) {
    const middle = low + split(high - low);
    const left = old <= middle;
    path.unshift(await (left ? rangeHash(middle, high, node) : rangeHash(low, middle, node)));
    if (left) high = middle;
    else low = middle;
  }
  if (low) path.unshift(await rangeHash(low, high, node));
  return path;
}

/**
 * Whether a path shows the leaf hash at `index` under the root (RFC 9162 section 2.1.3.2).
 * @param {Uint8Array} leaf @param {number} index @param {number} size @param {Uint8Array[]} path @param {Uint8Array} root
 * @returns {Promise<boolean>}
 */
export async function verifyInclusion(leaf, index, size, path, root) {
  if (!(index >= 0 && index < size)) return false;
  const found = await walked(leaf, index, size - 1, path);
  return found !== null && same(found.right, root);
}

/**
 * Whether a path shows that the tree only grew (RFC 9162 section 2.1.4.2).
 * @param {number} old @param {number} size @param {Uint8Array[]} path @param {Uint8Array} oldRoot @param {Uint8Array} root
 * @returns {Promise<boolean>}
 */
export async function verifyConsistency(old, size, path, oldRoot, root) {
  if (!(old >= 0 && old <= size)) return false;
  const empty = await rootAt(0, () => root);
  if (old === 0 || old === size) {
    return path.length === 0 && same(oldRoot, old === 0 ? empty : root) && (size > 0 || same(root, empty));
  }
  const hashes = Number.isInteger(Math.log2(old)) ? [oldRoot, ...path] : path;
  if (!hashes.length) return false;
  let [fn, sn] = [old - 1, size - 1];
  while (fn % 2) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  const found = await walked(hashes[0], fn, sn, hashes.slice(1));
  return found !== null && same(found.left, oldRoot) && same(found.right, root);
}

/**
 * What a path leads to from a node: over all its hashes (`right`), and over those that are to the left only (`left`). Null when the
 * path has not the length that the place asks for.
 * @param {Uint8Array} first @param {number} fn @param {number} sn @param {Uint8Array[]} path
 */
async function walked(first, fn, sn, path) {
  let [left, right] = [first, first];
  for (const hash of path) {
    if (sn === 0) return null;
    if (fn % 2 || fn === sn) {
      [left, right] = [await nodeHash(hash, left), await nodeHash(hash, right)];
      while (fn % 2 === 0 && fn) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else {
      right = await nodeHash(right, hash);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 ? { left, right } : null;
}

// ---- Tiles

/**
 * The path of a tile below the log's address.
 * @param {number | "entries"} level @param {number} index @param {number} width 1 to 256
 * @returns {string} As `tile/0/x001/234` or `tile/entries/000.p/7`.
 */
export function tilePath(level, index, width) {
  const digits = String(index);
  const parts = digits.padStart(Math.ceil(digits.length / 3) * 3, "0").match(/.{3}/g) ?? [];
  const last = parts.pop();
  const place = [...parts.map((part) => `x${part}`), last].join("/");
  return `tile/${level}/${place}${width === WIDTH ? "" : `.p/${width}`}`;
}

/**
 * All hash tiles, or with `level` "entries" all entry bundles, of a log.
 * @param {number} size @param {number | "entries"} level
 * @returns {{index: number, width: number}[]}
 */
export function tilesOf(size, level) {
  const count = level === "entries" ? size : Math.floor(size / WIDTH ** level);
  return Array.from({ length: Math.ceil(count / WIDTH) }, (_, index) => ({ index, width: Math.min(WIDTH, count - index * WIDTH) }));
}

/**
 * @param {Uint8Array} data An entry bundle: each entry after its length in two bytes, big end first.
 * @param {number} width How many entries it must have.
 * @returns {Uint8Array[]}
 */
export function splitBundle(data, width) {
  const entries = [];
  let at = 0;
  while (at < data.length) {
    const end = at + 2 + (data[at] << 8) + (data[at + 1] ?? 0);
    if (at + 2 > data.length || end > data.length) throw new LedgerError("truncated", `entry ${entries.length} of a bundle is cut short`);
    entries.push(data.subarray(at + 2, end));
    at = end;
  }
  if (entries.length !== width) throw new LedgerError("truncated", `a bundle of ${entries.length} entries where there must be ${width}`);
  return entries;
}

/**
 * A reader of nodes that fetches the tiles it needs, each once. What it reads is not verified by itself: only a path under a signed
 * root is.
 * @param {(path: string) => Promise<Uint8Array>} get @param {number} size
 * @returns {NodeReader}
 */
export function tileReader(get, size) {
  /** @type {Map<string, Promise<Uint8Array>>} */
  const kept = new Map();
  return async (level, index) => {
    const row = Math.floor(level / 8);
    const first = index * 2 ** (level % 8);
    const tile = Math.floor(first / WIDTH);
    const width = Math.min(WIDTH, Math.floor(size / WIDTH ** row) - tile * WIDTH);
    const path = tilePath(row, tile, width);
    if (!kept.has(path)) kept.set(path, get(path));
    const data = await kept.get(path);
    if (data.length !== width * HASH) throw new LedgerError("truncated", `${path} has ${data.length} bytes instead of ${width * HASH}`);
    const at = (first - tile * WIDTH) * HASH;
    const levels = await levelsOf(data.subarray(at, at + 2 ** (level % 8) * HASH));
    return reader(levels)(level % 8, 0);
  };
}

// ---- The log, as it is served

/**
 * @typedef {object} Options
 * @property {string} base The log's address, above `checkpoint` and `tile/`; may be relative to the page.
 * @property {string} key The verifier key, NAME+ID+KEY.
 * @property {typeof globalThis.fetch} [fetch] Else the browser's.
 * @property {Storage | null} [storage] Where the last verified checkpoint is kept; else localStorage, null for nowhere.
 * @property {(done: number, all: number) => void} [onProgress] Told of tiles and bundles read.
 * @property {AbortSignal} [signal]
 */

/**
 * @typedef {object} Report
 * @property {string} origin
 * @property {number} size Entries that were read and hashed.
 * @property {string} root The root computed from them, which is the signed one, in hexadecimal.
 * @property {number} tiles Hash tiles that were compared with it.
 * @property {{size: number, root: string} | null} earlier The checkpoint that this browser kept, with which the log is consistent.
 * @property {boolean} kept Whether this one is kept for the next time.
 */

/**
 * Reads the whole log: the checkpoint's signature, the root recomputed from every entry, every hash tile, and that nothing changed of
 * what this browser has verified before.
 * @param {Options} options
 * @returns {Promise<Report>} All of it holds; else it throws LedgerError.
 */
export async function verifyLedger(options) {
  const log = await opened(options);
  const { size, root, origin } = log.checkpoint;
  if (size > MOST) throw new LedgerError("too_large", `a log of ${size} entries is more than a browser verifies: use interlock ledger verify`);
  const [bundles, tiles] = [tilesOf(size, "entries"), hashTiles(size)];
  const told = counter(options.onProgress, bundles.length + tiles.length);
  const levels = await levelsOf(await leavesOf(log.get, bundles, size, told));
  const node = reader(levels);
  const computed = await rootAt(size, node);
  if (!same(computed, root)) throw new LedgerError("root", "the entries do not lead to the signed root: some were altered, or are not those signed");
  await compareTiles(log.get, tiles, levels, told);
  if (log.earlier) await stillBegins(log.earlier, size, await rootAt(Math.min(log.earlier.size, size), node));
  const kept = keep(log);
  return { origin, size, root: hex(computed), tiles: tiles.length, earlier: shown(log.earlier), kept };
}

/**
 * Shows with a few tiles that an entry is in the log, without reading all of it.
 * @param {Options & {index: number}} options
 * @returns {Promise<{index: number, size: number, root: string, entry: Uint8Array, text: string, path: string[]}>} The entry's bytes and
 * text, and its audit path in hexadecimal.
 */
export async function verifyEntry(options) {
  const { index } = options;
  const { checkpoint, get } = await opened({ ...options, storage: null });
  const { size, root } = checkpoint;
  const path = await inclusion(index, size, tileReader(get, size));
  const bundle = Math.floor(index / WIDTH);
  const width = Math.min(WIDTH, size - bundle * WIDTH);
  const entry = splitBundle(await get(tilePath("entries", bundle, width)), width)[index % WIDTH];
  if (!(await verifyInclusion(await leafHash(entry), index, size, path, root))) {
    throw new LedgerError("inclusion", `entry ${index} is not what the signed log has there`);
  }
  return { index, size, root: hex(root), entry, text: utf8(entry), path: path.map(hex) };
}

/**
 * Shows with a few tiles that the log only grew since the checkpoint that this browser kept, and keeps the new one.
 * @param {Options} options
 * @returns {Promise<{origin: string, size: number, root: string, earlier: {size: number, root: string} | null, kept: boolean}>} `earlier`
 * is null the first time: then nothing could be compared.
 */
export async function verifyGrowth(options) {
  const log = await opened(options);
  const { origin, size, root } = log.checkpoint;
  if (log.earlier) {
    const old = log.earlier;
    const path = await consistency(old.size, size, tileReader(log.get, size));
    if (!(await verifyConsistency(old.size, size, path, old.root, root))) throw rewritten(old);
  }
  return { origin, size, root: hex(root), earlier: shown(log.earlier), kept: keep(log) };
}

/**
 * Forgets what this browser kept of a log: the next verification is as the first.
 * @param {string} base @param {Storage | null} [storage]
 */
export function forget(base, storage = kept()) {
  storage?.removeItem(place(base));
}

/** @param {Options} options */
async function opened(options) {
  const verifier = await parseVerifierKey(options.key);
  const get = getter(options);
  const note = utf8(await get("checkpoint"));
  const checkpoint = await openCheckpoint(note, verifier);
  const storage = options.storage === undefined ? kept() : options.storage;
  const where = place(options.base);
  return { checkpoint, get, note, key: options.key, storage, where, earlier: await earlierOf(storage, where, options.key) };
}

/** @param {Options} options @returns {(path: string) => Promise<Uint8Array>} */
function getter({ base, fetch = globalThis.fetch.bind(globalThis), signal }) {
  return async (path) => {
    const fresh = path === "checkpoint" ? "no-store" : "default";
    let answer;
    try {
      answer = await fetch(new URL(path, address(base)), { credentials: "same-origin", redirect: "error", cache: fresh, signal });
      if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
    } catch (error) {
      if (error?.name === "AbortError") throw error;
      throw new LedgerError("fetch", `${path} could not be read: ${error?.message ?? error}`);
    }
    throw new LedgerError(answer.status === 404 ? "truncated" : "fetch", `${path} could not be read: status ${answer.status}`);
  };
}

/** @param {string} base @returns {URL} */
function address(base) {
  return new URL(base.endsWith("/") ? base : `${base}/`, globalThis.location?.href);
}

/** @param {number} size @returns {{level: number, index: number, width: number}[]} */
function hashTiles(size) {
  const found = [];
  for (let level = 0; WIDTH ** level <= size; level += 1) found.push(...tilesOf(size, level).map((tile) => ({ level, ...tile })));
  return found;
}

/** Reads all bundles, a few ahead, and hashes their entries. */
async function leavesOf(get, bundles, size, told) {
  const leaves = new Uint8Array(size * HASH);
  await ahead(bundles, ({ index, width }) => get(tilePath("entries", index, width)), async (data, { index, width }) => {
    const hashes = await Promise.all(splitBundle(data, width).map(leafHash));
    hashes.forEach((hash, i) => leaves.set(hash, (index * WIDTH + i) * HASH));
    told();
  });
  return leaves;
}

/** Compares all hash tiles with the tree that was computed from the entries. */
async function compareTiles(get, tiles, levels, told) {
  await ahead(tiles, ({ level, index, width }) => get(tilePath(level, index, width)), (data, { level, index, width }) => {
    const expected = levels[8 * level].subarray(index * WIDTH * HASH, (index * WIDTH + width) * HASH);
    if (!same(data, expected)) throw new LedgerError("tile", `${tilePath(level, index, width)} is not what the entries lead to`);
    told();
  });
}

/** Does `use` with what `read` gives for each item, in order, while the next ones are being read. */
async function ahead(items, read, use) {
  const under = [];
  const begin = (item) => {
    const reading = read(item);
    reading.catch(() => {}); // told when its turn comes
    under.push(reading);
  };
  items.slice(0, AHEAD).forEach(begin);
  for (const [i, item] of items.entries()) {
    const data = await under.shift();
    if (i + AHEAD < items.length) begin(items[i + AHEAD]);
    await use(data, item);
  }
}

/** @param {Options["onProgress"]} onProgress @param {number} all */
function counter(onProgress, all) {
  let done = 0;
  onProgress?.(0, all);
  return () => onProgress?.(++done, all);
}

// ---- What the browser remembers

/** @returns {Storage | null} localStorage, unless the browser keeps nothing. */
function kept() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}

/** @param {string} base @returns {string} By address: another key or another name at the same address is noticed. */
function place(base) {
  return `interlock.ledger ${address(base)}`;
}

/** @returns {Promise<ReturnType<typeof parseCheckpoint> | null>} */
async function earlierOf(storage, where, key) {
  const text = storage?.getItem(where);
  if (!text) return null;
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    found = null;
  }
  if (typeof found?.note !== "string" || typeof found?.key !== "string") {
    throw new LedgerError("malformed", "what this browser kept of the log cannot be read: forget it to begin anew");
  }
  if (found.key !== key) {
    throw new LedgerError("key", `the log's key was ${found.key} when this browser verified it last: ask your admins why it is another one`);
  }
  return openCheckpoint(found.note, await parseVerifierKey(key));
}

/** @returns {boolean} */
function keep({ storage, where, note, key }) {
  try {
    storage?.setItem(where, JSON.stringify({ note, key }));
  } catch {
    return false; // no room, or not allowed: the report says so
  }
  return Boolean(storage);
}

/** @param {ReturnType<typeof parseCheckpoint>} old @param {number} size @param {Uint8Array} root That of the first entries now. */
async function stillBegins(old, size, root) {
  if (old.size > size) throw new LedgerError("shrunk", `this browser has verified ${old.size} entries before; now the log has ${size}`);
  if (!same(old.root, root)) throw rewritten(old);
}

/** @param {ReturnType<typeof parseCheckpoint>} old */
function rewritten(old) {
  return new LedgerError("consistency", `the first ${old.size} entries are not those that this browser has verified before: the log was rewritten`);
}

/** @param {ReturnType<typeof parseCheckpoint> | null} earlier */
function shown(earlier) {
  return earlier && { size: earlier.size, root: hex(earlier.root) };
}
