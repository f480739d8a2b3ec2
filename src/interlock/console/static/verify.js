// Drives the ledger's verification on a page. All that is verified is verified in `ledger.js`; here are buttons and sentences.
import { forget, LedgerError, verifyEntry, verifyLedger } from "./ledger.js";

const place = document.getElementById("verifier");
const button = document.getElementById("go");
const again = document.getElementById("forget");
const told = document.getElementById("told");
const bar = document.getElementById("progress");
const key = document.getElementById("key");
const number = new Intl.NumberFormat();

function say(text, kind) {
  told.className = `told ${kind}`;
  told.textContent = text;
}

/** What a verified log means, in words. */
function holds(report) {
  const since = report.earlier
    ? `It still begins with the ${number.format(report.earlier.size)} entries that this browser verified before.`
    : "This browser had verified nothing of it before: from now on it notices when something changes.";
  const kept = report.kept ? "" : " It could not be remembered: this browser keeps nothing for this site.";
  return `It holds: ${number.format(report.size)} entries lead to the root that ${report.origin} signed (${report.root.slice(0, 16)}…). ${since}${kept}`;
}

/** What failed, in words. Being unable to verify is not the same as finding something wrong. */
function fails(error) {
  if (!(error instanceof LedgerError)) return [`The verification broke off: ${error.message}.`, "bad"];
  if (error.problem === "unsupported" || error.problem === "too_large" || error.problem === "fetch") {
    return [`Nothing was verified: ${error.message}.`, "wait"];
  }
  return [`It does not hold: ${error.message}.`, "bad"];
}

async function whole(options) {
  bar.hidden = false;
  bar.removeAttribute("value");
  const report = await verifyLedger({
    ...options,
    onProgress: (done, all) => {
      bar.max = all;
      bar.value = done;
    },
  });
  say(holds(report), "good");
}

async function single(options) {
  const found = await verifyEntry({ ...options, index: Number(place.dataset.index) });
  if (found.text !== document.getElementById("raw").textContent) {
    throw new LedgerError("inclusion", "what this page shows is not what the log has there");
  }
  say(`It holds: entry ${number.format(found.index)}, as this page shows it, is in the log of ${number.format(found.size)} entries whose root is signed (${found.root.slice(0, 16)}…).`, "good");
}

async function verify() {
  button.disabled = true;
  say("Verifying …", "");
  if (again) again.hidden = true;
  try {
    const options = { base: place.dataset.base, key: key.value.trim() };
    await (place.dataset.index === undefined ? whole(options) : single(options));
  } catch (error) {
    say(...fails(error));
    if (again && error instanceof LedgerError && error.problem !== "fetch") again.hidden = false;
  } finally {
    if (bar) bar.hidden = true;
    button.disabled = false;
  }
}

if (place) {
  button.disabled = false;
  button.addEventListener("click", verify);
  again?.addEventListener("click", () => {
    forget(place.dataset.base);
    again.hidden = true;
    say("Forgotten. The next verification is as the first.", "wait");
  });
}
