import { fromBase64url, send, sentence, toBase64url } from "./passkeys.js";

const form = document.getElementById("enrol");
const said = document.getElementById("said");
const secret = location.hash.slice(1);
history.replaceState(null, "", location.pathname); // not in the history, nor over somebody's shoulder

async function make(label) {
  const options = await send("/console/enrol/options", { secret });
  const publicKey = {
    ...options,
    challenge: fromBase64url(options.challenge),
    user: { ...options.user, id: fromBase64url(options.user.id) },
    excludeCredentials: options.excludeCredentials.map((key) => ({ ...key, id: fromBase64url(key.id) })),
  };
  const made = await navigator.credentials.create({ publicKey });
  const credential = {
    id: made.id,
    rawId: toBase64url(made.rawId),
    type: made.type,
    response: {
      clientDataJSON: toBase64url(made.response.clientDataJSON),
      attestationObject: toBase64url(made.response.attestationObject),
    },
  };
  return send("/console/enrol/answer", { secret, label, credential });
}

const provider = document.getElementById("provider");
if (provider && secret) {
  provider.disabled = false;
  provider.addEventListener("click", async () => {
    provider.disabled = true;
    said.textContent = "";
    try {
      location.assign((await send("/console/enrol/oidc", { secret })).address);
    } catch (error) {
      said.textContent = sentence(error);
      provider.disabled = false;
    }
  });
}

if (form) {
  const button = form.querySelector("button");
  if (secret) button.disabled = false;
  else said.textContent = "This page needs the whole link, with what stands behind #.";
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    said.textContent = "";
    try {
      const done = await make(form.elements.label.value);
      for (const [id, value] of [["code", done.code], ["typed", done.code], ["who", done.person]]) {
        document.getElementById(id).textContent = value;
      }
      form.hidden = true;
      document.getElementById("done").hidden = false;
    } catch (error) {
      said.textContent = sentence(error);
      button.disabled = false;
    }
  });
}
