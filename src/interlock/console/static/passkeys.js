// Base64url, hashes and the JSON that is signed. Everything that people sign goes through `canonical` and `sha256`.

const text = new TextEncoder();

/** Base64url without padding (RFC 4648 section 5). */
export function toBase64url(bytes) {
  let raw = "";
  for (const byte of new Uint8Array(bytes)) raw += String.fromCharCode(byte);
  return btoa(raw).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The inverse of toBase64url. */
export function fromBase64url(written) {
  const raw = atob(written.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(raw, (char) => char.charCodeAt(0));
}

/** SHA-256 of a text's UTF-8. */
export async function sha256(written) {
  return crypto.subtle.digest("SHA-256", text.encode(written));
}

/** Lower-case hexadecimal. */
export function hex(bytes) {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Canonical JSON (RFC 8785) of an object whose members are all texts: sorted by name, in ECMAScript's spelling. */
export function canonical(flat) {
  const names = Object.keys(flat).sort();
  for (const name of names) if (typeof flat[name] !== "string") throw new TypeError(`${name} is no text`);
  return `{${names.map((name) => `${JSON.stringify(name)}:${JSON.stringify(flat[name])}`).join(",")}}`;
}

/** Send JSON to an address of this console; throws with the server's sentence. */
export async function send(address, value) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(value),
    credentials: "same-origin",
  });
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.detail || told.title || "the server refused"), { status: answer.status });
  return told;
}

/** Ask a passkey to sign a challenge. Answers what the server takes: an assertion and a signature. */
export async function ask(challenge, rpId, keys = []) {
  const found = await navigator.credentials.get({
    publicKey: {
      challenge,
      rpId,
      userVerification: "required",
      allowCredentials: keys.map((id) => ({ type: "public-key", id: fromBase64url(id) })),
    },
  });
  return {
    assertion: {
      credential: toBase64url(found.rawId),
      authenticator_data: toBase64url(found.response.authenticatorData),
      client_data: toBase64url(found.response.clientDataJSON),
    },
    signature: toBase64url(found.response.signature),
  };
}

/** What an error of a ceremony means. */
export function sentence(error) {
  if (error.name === "NotAllowedError") return "Nothing was signed: it was cancelled, or took too long.";
  if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
  return `${error.message || error.name}.`.replace(/\.\.$/, ".");
}
