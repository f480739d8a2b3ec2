// Runs what tests ask of src/interlock/console/static/ledger.js: one JSON wish a line, one JSON answer a line.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const ledger = await import(pathToFileURL(process.argv[2]));
const real = globalThis.crypto;

const bytes = (text) => Uint8Array.from(Buffer.from(text, "hex"));
const all = (texts) => texts.map(bytes);
const leavesOf = (texts) => bytes(texts.join(""));
const node = async (texts) => ledger.reader(await ledger.levelsOf(leavesOf(texts)));

/** As localStorage, over what the test gives. */
class Kept {
  constructor(items) {
    this.items = items;
  }
  getItem(name) {
    return this.items[name] ?? null;
  }
  setItem(name, value) {
    if (this.items.full) throw new Error("QuotaExceededError");
    this.items[name] = String(value);
  }
  removeItem(name) {
    delete this.items[name];
  }
}

/** Web Crypto as a browser has it that lacks something. */
const CRYPTO = {
  whole: real,
  "no Ed25519": {
    subtle: {
      digest: (...given) => real.subtle.digest(...given),
      importKey: async () => {
        throw new DOMException("Unrecognized name.", "NotSupportedError");
      },
    },
  },
  "no subtle": {},
  none: undefined,
};

const OPS = {
  verify: (ask) => ledger.verifyLedger(options(ask)),
  growth: (ask) => ledger.verifyGrowth(options(ask)),
  entry: async (ask) => {
    const found = await ledger.verifyEntry(options(ask));
    return { ...found, entry: ledger.hex(found.entry) };
  },
  forget: async (ask) => ledger.forget(ask.base, new Kept(ask.stored)),
  root: async ({ leaves }) => ledger.hex(await ledger.rootOf(leavesOf(leaves))),
  leaf: async ({ entry }) => ledger.hex(await ledger.leafHash(bytes(entry))),
  inclusion: async ({ leaves, index }) => (await ledger.inclusion(index, leaves.length, await node(leaves))).map(ledger.hex),
  consistency: async ({ leaves, old }) => (await ledger.consistency(old, leaves.length, await node(leaves))).map(ledger.hex),
  verifyInclusion: ({ leaf, index, size, path, root }) => ledger.verifyInclusion(bytes(leaf), index, size, all(path), bytes(root)),
  verifyConsistency: ({ old, size, path, oldRoot, root }) =>
    ledger.verifyConsistency(old, size, all(path), bytes(oldRoot), bytes(root)),
  path: async ({ level, index, width }) => ledger.tilePath(level, index, width),
  tiles: async ({ size, level }) => ledger.tilesOf(size, level),
  note: async ({ note, key }) => ledger.verifyNote(ledger.parseNote(bytes(note)), await ledger.parseVerifierKey(key)),
  checkpoint: async ({ text }) => {
    const found = ledger.parseCheckpoint(text);
    return { ...found, root: ledger.hex(found.root) };
  },
};

function options({ base, key, index, stored, progress }) {
  const onProgress = progress && ((done, whole) => progress.push([done, whole]));
  return { base, key, index, storage: stored ? new Kept(stored) : null, onProgress };
}

for await (const line of createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line);
  Object.defineProperty(globalThis, "crypto", { value: CRYPTO[ask.crypto ?? "whole"], configurable: true });
  let answer;
  try {
    answer = { done: (await OPS[ask.op](ask)) ?? null };
  } catch (error) {
    answer = { problem: error.problem ?? "bug", name: error.name, message: error.message ?? String(error) };
  }
  process.stdout.write(`${JSON.stringify({ ...answer, stored: ask.stored, progress: ask.progress })}\n`);
}
