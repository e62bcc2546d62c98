// Passkeys: a form asks the browser for one, puts the answer into its field and goes its way. Without script the form stays
// hidden, and a code is asked for instead.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const able = Boolean(window.PublicKeyCredential && navigator.credentials);
  const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const ids = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));
  const opened = Date.now();

  // A challenge is good for ten minutes; a page that was open for longer fetches itself another one.
  const options = async (form) => {
    if (Date.now() - opened < 480000 || form.method !== "post" || form.dataset.fresh === "no") return JSON.parse(form.dataset.options);
    const page = new DOMParser().parseFromString(await (await fetch(location.href, { cache: "no-store" })).text(), "text/html");
    return JSON.parse(page.querySelector(`form[data-passkey="${form.dataset.passkey}"]`).dataset.options);
  };
  const create = async (asked) => {
    const publicKey = { ...asked, challenge: bytes(asked.challenge), user: { ...asked.user, id: bytes(asked.user.id) }, excludeCredentials: ids(asked.excludeCredentials) };
    const { response } = await navigator.credentials.create({ publicKey });
    return { clientData: text(response.clientDataJSON), attestation: text(response.attestationObject) };
  };
  const get = async (asked) => {
    const publicKey = { ...asked, challenge: bytes(asked.challenge), allowCredentials: ids(asked.allowCredentials) };
    const { rawId, response } = await navigator.credentials.get({ publicKey });
    return {
      id: text(rawId),
      clientData: text(response.clientDataJSON),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
      userHandle: response.userHandle ? text(response.userHandle) : null,
    };
  };
  const words = ({ name }) =>
    name === "NotAllowedError" ? "Nothing was chosen, or it took too long. Try again."
    : name === "InvalidStateError" ? "This device has a passkey for you here already."
    : "This browser could not use a passkey. Use another way.";

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = !able;
    if (able) form.parentElement.querySelector("[data-without-passkey]")?.remove();
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [button, trouble] = [form.querySelector("button"), form.querySelector("[data-trouble]")];
      button.disabled = true;
      try {
        const asked = await options(form);
        form.elements[form.dataset.field ?? "passkey"].value = JSON.stringify(await (form.dataset.passkey === "create" ? create(asked) : get(asked)));
        form.submit();
      } catch (error) {
        trouble.textContent = words(error);
        button.disabled = false;
      }
    });
  }
});
