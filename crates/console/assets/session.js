// A session that is not used ends. Before it does, the page says so and lets its reader stay (WCAG 2.2.1); what is done in
// another tab counts too, so the server is asked first.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.getElementById("staying");
  if (!dialog) return;
  const [left, words, stay] = ["[data-left]", "[data-words]", "[data-stay]"].map((part) => dialog.querySelector(part));
  let [idle, end, used] = [Number(document.body.dataset.idle), Number(document.body.dataset.end), Date.now()];
  let [opened, asking, over] = [Date.now(), false, false];
  const rest = () => Math.min(idle, end) - (Date.now() - opened);
  // Two minutes before, or earlier than half way where a session may idle for five minutes only.
  const ahead = () => Math.min(120000, Number(document.body.dataset.idle) / 2);
  const clock = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;

  // Reading the time that is left counts as no use; staying does.
  const ask = async (use) => {
    const answer = await fetch("/stay", { headers: use ? {} : { "HX-Request": "true" }, redirect: "manual", cache: "no-store" });
    if (!answer.ok) return false;
    ({ idle, end } = await answer.json());
    opened = Date.now();
    return true;
  };
  const ended = () => {
    over = true;
    if (dialog.open) dialog.close();
    const note = document.getElementById("ended");
    note.querySelector("a").search = `?next=${encodeURIComponent(location.pathname + location.search)}`;
    note.hidden = false;
  };
  const keep = async () => {
    if (!(await ask(true).catch(() => true))) return ended();
    if (rest() > ahead()) dialog.close();
  };
  const look = async () => {
    if (over || asking) return;
    asking = true;
    try {
      if (rest() <= ahead() && !dialog.open) {
        // Whoever writes or points is there: nobody needs to ask them.
        const here = Date.now() - used < 60000 && end - (Date.now() - opened) > ahead();
        if (!(await ask(here))) return ended();
        if (rest() <= ahead()) {
          const forGood = end <= idle;
          words.textContent = forGood ? "A session ends after twelve hours in any case. Save what you wrote, then sign in again." : "You have done nothing here for a while. What you wrote stays if you stay.";
          stay.hidden = forGood;
          left.textContent = clock(rest());
          dialog.showModal();
        }
      } else if (rest() <= 0 && !(await ask(false))) return ended();
      if (dialog.open) left.textContent = clock(Math.max(0, rest()));
      if (dialog.open && rest() > ahead()) dialog.close();
    } catch {
      // The server is away; the page says so elsewhere.
    } finally {
      asking = false;
    }
  };
  for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, () => (used = Date.now()), { passive: true });
  stay.addEventListener("click", keep);
  // Escape says that somebody is there.
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    if (stay.hidden) dialog.close();
    else keep();
  });
  setInterval(look, 1000);
});
