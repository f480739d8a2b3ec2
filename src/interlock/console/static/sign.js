// The text on screen is hashed here, becomes part of the statement, and the statement's digest is what the passkey signs.
import { ask, canonical, hex, send, sentence, sha256 } from "./passkeys.js";

const place = document.getElementById("sign");
const text = document.getElementById("exact");
const button = document.getElementById("go");
const said = document.getElementById("said");
const statement = JSON.parse(document.getElementById("statement").textContent);
const { change, what, force, rp, keys, back } = place.dataset;

async function sign() {
  if (what === "approve") await send(`/console/changes/${change}/opened`, {});
  const words = { ...statement, shown: hex(await sha256(text.textContent)) };
  const challenge = await sha256(canonical(words));
  const signed = await ask(challenge, rp, keys.split(" ").filter(Boolean));
  if (what === "revert") {
    const outcome = await send(`/api/v1/changes/${change}/revert`, { statement: words, force: Boolean(force), ...signed });
    if (!outcome.done && outcome.code !== "held") throw new Error([outcome.why || outcome.code, outcome.next].filter(Boolean).join(". "));
    return;
  }
  if (what === "break-glass") {
    await send("/api/v1/break-glass", { statement: words, ...signed });
    return;
  }
  await send(`/api/v1/changes/${change}/approvals`, { statement: words, ...signed });
}

// The button opens when the end of the text has been on screen.
function read() {
  const atEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 2;
  const frame = text.getBoundingClientRect();
  if (atEnd && frame.bottom <= innerHeight + 2 && keys) {
    button.disabled = false;
    removeEventListener("scroll", read);
  }
}
text.addEventListener("scroll", read);
addEventListener("scroll", read);
addEventListener("resize", read);
read();

function again() {
  const link = document.createElement("a");
  link.href = `/console/login?to=${encodeURIComponent(place.dataset.back)}`;
  link.textContent = "Log in again";
  return link;
}

button.addEventListener("click", async () => {
  button.disabled = true;
  said.textContent = "";
  try {
    await sign();
    location.assign(back);
  } catch (error) {
    // 401: the login has ended meanwhile, so that nothing was taken.
    said.textContent = error.status === 401 ? "Your login is over, and nothing was said. " : sentence(error);
    if (error.status === 401) said.append(again());
    button.disabled = false;
  }
});
