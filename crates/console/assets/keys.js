// Single keys, at rest in fields and dialogs, and switched off on the reader's own page: / find, j k rows, a p r u acts,
// g then a letter for the groups, ? the list of keys. The letters stand in the page (data-act, data-key).
"use strict";

(() => {
  let group = 0;
  const rows = () =>
    [...document.querySelectorAll("main :is(.call, .alert, .tbl tbody tr, .list > li, .key-row)")]
      .map((row) => row.querySelector(".call h2 a, h3 a, a[href]"))
      .filter((link) => link?.checkVisibility());
  const here = () => document.activeElement?.closest(".call, .alert, tr, li, .key-row");
  const go = (event, target) => {
    if (!target) return;
    event.preventDefault();
    if (target.matches("a, button")) target.click();
    else target.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (!("shortcuts" in document.body.dataset) || event.defaultPrevented || event.isComposing) return;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (Date.now() - group < 1500) {
      group = 0;
      return go(event, document.querySelector(`.groups [data-key="${CSS.escape(event.key)}"]`));
    }
    if (event.key === "g") group = Date.now();
    else if (event.key === "/") {
      const field = document.querySelector("#find") ?? document.querySelector(".find input");
      if (field?.checkVisibility()) go(event, field);
      else if (field) field.form.submit();
    } else if (event.key === "?") {
      event.preventDefault();
      document.querySelector("#help")?.showModal();
    } else if (event.key.length === 1 && "apru".includes(event.key)) {
      const act = `[data-act="${event.key}"]`;
      go(event, here()?.querySelector(act) ?? document.querySelector(act));
    } else if (event.key === "j" || event.key === "k") {
      const all = rows();
      const at = all.findIndex((link) => link === document.activeElement || here()?.contains(link));
      const next = event.key === "j" ? at + 1 : at < 0 ? -1 : at - 1;
      all[next]?.focus();
    }
  });
})();
