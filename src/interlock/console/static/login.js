import { ask, fromBase64url, send, sentence } from "./passkeys.js";

const button = document.getElementById("login");
const said = document.getElementById("said");
if (button) {
  button.disabled = false;
  button.addEventListener("click", async () => {
    said.textContent = "";
    button.disabled = true;
    try {
      const options = await send("/console/login/options", {});
      await send("/console/login/answer", await ask(fromBase64url(options.challenge), options.rpId));
      location.assign(button.dataset.to);
    } catch (error) {
      said.textContent = sentence(error);
      button.disabled = false;
    }
  });
}
