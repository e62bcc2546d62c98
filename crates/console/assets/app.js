// Loudhailer's own script: small things that pages cannot do without it, and nothing that they need to be read or answered.
"use strict";

// Trusted Types (security policy "app"): htmx and idiomorph parse the HTML of our own fragments; they are the only ones here
// that turn text into elements, so their sinks go through one policy and everything else stays forbidden.
(() => {
  if (!window.trustedTypes) return;
  const policy = trustedTypes.createPolicy("app", { createHTML: (text) => text });
  const html = (text) => (typeof text === "string" ? policy.createHTML(text) : text);
  const parse = DOMParser.prototype.parseFromString;
  DOMParser.prototype.parseFromString = function (text, type) {
    return parse.call(this, html(text), type);
  };
  if (Document.parseHTMLUnsafe) {
    const unsafe = Document.parseHTMLUnsafe;
    Document.parseHTMLUnsafe = (text) => unsafe.call(Document, html(text));
  }
  const fragment = Range.prototype.createContextualFragment;
  Range.prototype.createContextualFragment = function (text) {
    return fragment.call(this, html(text));
  };
})();

const find = (selector) => document.querySelector(selector);

// The reader's time zone: the server writes every time in it from the next page on.
document.cookie = `zone=${encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone)}; path=/; SameSite=Lax; Secure; max-age=31536000`;

// A secret in the fragment of a link (set-up, handsets) moves into the form that posts it, and out of the address bar.
const takeFragment = () => {
  const field = find("input[data-from-fragment]");
  if (!field || location.hash.length < 2) return;
  field.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname + location.search);
  if (field.dataset.fromFragment === "submit") field.form.requestSubmit();
};
window.addEventListener("hashchange", takeFragment);

document.addEventListener("DOMContentLoaded", () => {
  takeFragment();
  // What the reader opened or wrote stays as it is when the page around it is renewed.
  if (window.Idiomorph) {
    const callbacks = Idiomorph.defaults.callbacks;
    callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.matches("details"));
    callbacks.beforeNodeMorphed = (node) => !node.matches?.("[data-shown]") && !(node.matches?.("textarea, input:not([type=hidden], [type=checkbox], [type=radio], [type=range])") && node.value);
  }
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
  for (const button of document.querySelectorAll("[data-save]")) button.hidden = false;
  // The page that one is on stands among its neighbours, also where not all of them fit side by side.
  const here = find(".sub [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;
  // A form that comes back with a mistake begins there, not at its head.
  find("main [aria-invalid=true]")?.focus();
});

// A revealed value is masked again after its seconds, also when the server is away; ages of lists grow in between.
(() => {
  const age = (s) => (s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`);
  setInterval(() => {
    for (const node of document.querySelectorAll("[data-shown]")) {
      node.until ??= Date.now() + Number(node.dataset.shown) * 1000;
      const left = Math.ceil((node.until - Date.now()) / 1000);
      if (left > 0) {
        node.querySelector("[data-left]").textContent = `${left} s`;
        continue;
      }
      const mask = node.querySelector("template").content.firstElementChild.cloneNode(true);
      const focused = node.contains(document.activeElement);
      node.replaceWith(mask);
      window.htmx?.process(mask);
      if (focused) mask.querySelector("button")?.focus();
    }
    const ahead = Number(find("#clock")?.dataset.ahead ?? 0);
    for (const node of document.querySelectorAll("[data-ago]")) {
      node.textContent = age(Math.max(0, Math.floor((Date.now() + ahead - Number(node.dataset.ago)) / 1000)));
    }
  }, 1000);
  document.addEventListener("htmx:load", ({ target }) => {
    for (const button of target.querySelectorAll?.("[data-copy]") ?? []) button.hidden = !navigator.clipboard;
  });
})();

// An act that was sent without leaving the page: the field is empty again, or the reader hears why nothing happened.
document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, successful, xhr } = event.detail;
  const trouble = find("#trouble");
  if (elt.matches("form")) {
    if (trouble) trouble.hidden = successful;
    if (successful && elt.matches(".say")) elt.reset();
  }
  if (successful || !elt.matches("form") || !trouble) return;
  const answer = new DOMParser().parseFromString(xhr.responseText || "", "text/html");
  const words = (answer.querySelector("main [role=alert]") ?? answer.querySelector("main .lead p"))?.textContent.trim();
  trouble.textContent = words || "That did not reach the server. Look at the connection, then try again.";
});

// A dial says its value while it is turned.
document.addEventListener("input", ({ target }) => {
  if (target.type !== "range") return;
  const { unit, after } = target.dataset;
  const value = unit === "ms" && target.value >= 1000 ? `${(target.value / 1000).toFixed(1)} s` : `${target.value} ${unit}`;
  document.getElementById(target.getAttribute("aria-describedby")).textContent = unit === "%" && target.value === "0" ? "none" : `${value} ${after}`;
});

// A text of this page as a file, made here: the server does not get it again.
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-save]");
  if (!button) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([find(button.dataset.save).textContent], { type: "text/plain" }));
  link.download = button.dataset.name;
  link.click();
  URL.revokeObjectURL(link.href);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  navigator.clipboard.writeText(find(button.dataset.copy).textContent.trim()).then(() => (button.lastChild.textContent = "Copied"));
});

// Focus stays on what it was on when the part around it is renewed, although rows came before it: same place to go, same act.
(() => {
  const twin = (node) => {
    if (node.id) return `#${CSS.escape(node.id)}`;
    if (node.matches("a[href]")) return `a[href="${CSS.escape(node.getAttribute("href"))}"]`;
    const form = node.closest("form[action]");
    return node.matches("button") && form ? `form[action="${CSS.escape(form.getAttribute("action"))}"] button` : null;
  };
  let focused = null;
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const active = document.activeElement;
    focused = detail.target?.contains(active) && active !== detail.target ? twin(active) : null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (focused && !document.activeElement?.matches(focused)) document.querySelector(`main :is(${focused})`)?.focus({ preventScroll: true });
    focused = null;
  });
})();
