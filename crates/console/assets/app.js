// Loudhailer's own script: small things that pages cannot do without it, and nothing that they need to be read or answered.
"use strict";

// Trusted Types (security policy "app"): htmx and idiomorph parse the HTML of our own fragments; they are the only ones here
// that turn text into elements, so their sinks go through one policy and everything else stays forbidden.
(() => {
  if (!window.trustedTypes) return;
  const policy = trustedTypes.createPolicy("app", { createHTML: (text) => text });
  const parse = DOMParser.prototype.parseFromString;
  DOMParser.prototype.parseFromString = function (text, type) {
    return parse.call(this, typeof text === "string" ? policy.createHTML(text) : text, type);
  };
  if (Document.parseHTMLUnsafe) {
    const unsafe = Document.parseHTMLUnsafe;
    Document.parseHTMLUnsafe = (text) => unsafe.call(Document, typeof text === "string" ? policy.createHTML(text) : text);
  }
  const fragment = Range.prototype.createContextualFragment;
  Range.prototype.createContextualFragment = function (text) {
    return fragment.call(this, typeof text === "string" ? policy.createHTML(text) : text);
  };
})();

// A secret in the fragment of a link (set-up, handsets) moves into the form that posts it, and out of the address bar.
document.addEventListener("DOMContentLoaded", () => {
  const field = document.querySelector("input[data-from-fragment]");
  if (!field || location.hash.length < 2) return;
  field.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname + location.search);
  if (field.dataset.fromFragment === "submit") field.form.requestSubmit();
});

// The reader's time zone: every <time datetime> is written by the server in the workspace's zone and said again here in the
// reader's own, where they differ.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
document.cookie = `zone=${encodeURIComponent(zone)}; path=/; SameSite=Lax; Secure; max-age=31536000`;

// The clock in the head is the server's. When nothing has come for 20 s, the page says since when it is old.
(() => {
  let last = Date.now();
  const heard = () => {
    last = Date.now();
    document.querySelector(".live")?.classList.remove("off");
    document.getElementById("stale")?.setAttribute("hidden", "");
  };
  document.addEventListener("htmx:sseMessage", heard);
  document.addEventListener("htmx:sseOpen", heard);
  setInterval(() => {
    const live = document.querySelector(".live");
    if (!live || Date.now() - last < 20000) return;
    live.classList.add("off");
    const stale = document.getElementById("stale");
    if (stale?.hasAttribute("hidden")) {
      stale.querySelector("time").textContent = new Date(last).toLocaleTimeString();
      stale.removeAttribute("hidden");
    }
  }, 5000);
})();

// Countdowns and ages tick between the server's updates: <time data-until="ms"> and <time data-since="ms">.
setInterval(() => {
  const now = Date.now();
  const text = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    const [h, m, r] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
    return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${String(r).padStart(2, "0")}` : `${m}:${String(r).padStart(2, "0")}`;
  };
  for (const node of document.querySelectorAll("[data-until]")) node.textContent = text(Number(node.dataset.until) - now);
  for (const node of document.querySelectorAll("[data-since]")) node.textContent = text(now - Number(node.dataset.since));
}, 1000);

// Single keys, at rest in fields: / find, j k rows, a p r acts, g then a letter for the groups, ? help.
(() => {
  let group = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const go = (selector) => {
      const target = document.querySelector(selector);
      if (!target) return;
      event.preventDefault();
      target.matches("a, button") ? target.click() : target.focus();
    };
    if (Date.now() - group < 1000) {
      group = 0;
      return go(`.groups [data-key="${CSS.escape(event.key)}"]`);
    }
    if (event.key === "g") group = Date.now();
    else if (event.key === "/") go(".find input");
    else if ("apr".includes(event.key)) go(`[data-act="${event.key}"]`);
    else if (event.key === "j" || event.key === "k") {
      const rows = [...document.querySelectorAll(".alert h3 a, .tbl tbody tr td:first-child a, .list > li > div > a")];
      const at = rows.indexOf(document.activeElement) + (event.key === "j" ? 1 : -1);
      if (rows[at]) rows[at].focus();
    }
  });
})();
