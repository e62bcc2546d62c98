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
    callbacks.beforeNodeMorphed = (node) => !(node.matches?.("textarea, input[type=text], input:not([type])") && node.value);
  }
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
});

// The clock in the head is the server's. When nothing has come for 20 s it stops, and the page says since when it is old.
(() => {
  let [heard, ahead] = [Date.now(), null];
  const news = () => {
    heard = Date.now();
    find(".live")?.classList.remove("off");
    find("#stale")?.setAttribute("hidden", "");
  };
  document.addEventListener("htmx:sseOpen", news);
  document.addEventListener("htmx:sseMessage", news);
  document.addEventListener("sse:clock", (event) => {
    news();
    ahead = Number(event.detail.data) - Date.now();
  });
  setInterval(() => {
    const clock = find("#clock");
    if (!clock) return;
    ahead ??= Number(clock.dataset.ms) - Date.now();
    const words = (at) =>
      at.toLocaleTimeString("en-GB", { timeZone: clock.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
    if (Date.now() - heard < 20000) {
      clock.querySelector("time").textContent = words(new Date(Date.now() + ahead));
      return;
    }
    clock.classList.add("off");
    const stale = find("#stale");
    if (stale?.hidden) {
      stale.querySelector("time").textContent = words(new Date(heard + ahead));
      stale.hidden = false;
    }
  }, 1000);

  // Countdowns and ages tick between the server's updates: data-until and data-since, in the server's milliseconds.
  const counter = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    const [h, m, r] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, String(s % 60).padStart(2, "0")];
    return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${r}` : `${m}:${r}`;
  };
  setInterval(() => {
    const now = Date.now() + (ahead ?? 0);
    for (const node of document.querySelectorAll("[data-until]")) node.textContent = counter(Number(node.dataset.until) - now);
    for (const node of document.querySelectorAll("[data-since]")) node.textContent = counter(now - Number(node.dataset.since));
  }, 1000);
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

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  navigator.clipboard.writeText(find(button.dataset.copy).textContent.trim()).then(() => (button.lastChild.textContent = "Copied"));
});

// Single keys, at rest in fields: / find, j k rows, a p r u acts, g then a letter for the groups, ? the list of keys.
(() => {
  let group = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const go = (target) => {
      if (!target) return;
      event.preventDefault();
      target.matches("a, button") ? target.click() : target.focus();
    };
    if (Date.now() - group < 1000) {
      group = 0;
      return go(find(`.groups [data-key="${CSS.escape(event.key)}"]`));
    }
    if (event.key === "g") group = Date.now();
    else if (event.key === "/") go(find(".find input"));
    else if (event.key === "?") go(find(".who"));
    else if ("apru".includes(event.key)) go(find(`[data-act="${event.key}"]`));
    else if (event.key === "j" || event.key === "k") {
      const rows = [...document.querySelectorAll(".call h2 a, .alert h3 a, .tbl tbody tr td:first-child a, .list > li > div > a")];
      rows[rows.indexOf(document.activeElement) + (event.key === "j" ? 1 : -1)]?.focus();
    }
  });
})();
