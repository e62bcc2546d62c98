// Live updates: the stream says which topics changed, and the parts of the page that show them are fetched again. The page
// keeps the moment of the last thing it heard and comes back with it, so that nothing between two connections is lost.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const { stream, moment } = document.body.dataset;
  if (!stream) return;
  const find = (selector) => document.querySelector(selector);
  const clock = find("#clock");
  const QUIET = 12000; // The server is heard every 5 s; after this it is asked again.
  const OLD = 10000; // After this the page says that it may be old.
  let [at, own, behind, over, ids] = [moment, null, false, false, false];
  let [heard, tried, tries] = [Date.now(), 0, 0];
  let ahead = Number(clock?.dataset.ms ?? Date.now()) - Date.now();

  // Whoever points at a part or moves through it by keys does not have it pulled away: it waits until they rest, 5 s at most.
  let [under, moved] = [null, 0];
  for (const kind of ["pointermove", "pointerdown", "keydown"]) {
    document.addEventListener(kind, ({ target }) => ([under, moved] = [target, Date.now()]), { passive: true });
  }
  const waiting = new Map();
  const renew = (node, trigger) => {
    if (waiting.has(node)) return;
    const since = Date.now();
    const now = () => {
      const inHand = node.contains(under) && Date.now() - moved < 1200 && Date.now() - since < 5000;
      if (inHand) return waiting.set(node, setTimeout(now, 300));
      waiting.delete(node);
      if (node.isConnected) node.dispatchEvent(new CustomEvent(trigger, { detail: {} }));
    };
    now();
  };
  const triggers = (node) => (node.getAttribute("hx-trigger") ?? "").split(",").map((one) => one.trim().split(" ")[0]);
  const parts = () => [...document.querySelectorAll('[hx-trigger*="sse:"]')];
  const changed = (topic) => {
    for (const node of parts()) if (triggers(node).includes(`sse:${topic}`)) renew(node, `sse:${topic}`);
  };
  const everything = () => {
    behind = false;
    for (const node of parts()) renew(node, triggers(node).find((one) => one.startsWith("sse:")));
  };

  const still = (off) => {
    if (!clock) return;
    clock.classList.toggle("off", off);
    clock.querySelector("span").textContent = off ? "Stopped" : "Live";
  };
  const news = () => {
    [heard, tries] = [Date.now(), 0];
    still(false);
    find("#stale").hidden = true;
    if (behind) everything();
  };
  const hear = (block) => {
    const field = (name) => block.match(new RegExp(`^${name}: ?(.*)$`, "m"))?.[1];
    const [event, data, id] = [field("event"), field("data"), field("id")];
    if (event === "clock") {
      ahead = Number(data) - Date.now();
      if (clock) clock.dataset.ahead = ahead;
    } else if (event) changed(event);
    if (id) [at, ids] = [id, true];
  };
  const read = async (body) => {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      news();
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      blocks.forEach(hear);
    }
  };
  const ended = () => {
    over = true;
    own?.abort();
    still(true);
    const note = find("#ended");
    note.querySelector("a").search = `?next=${encodeURIComponent(location.pathname + location.search)}`;
    note.hidden = false;
  };
  const connect = async () => {
    if (over) return;
    own?.abort();
    const mine = (own = new AbortController());
    tried = Date.now();
    const url = new URL(stream, location.href);
    if (at) url.searchParams.set("at", at);
    try {
      const answer = await fetch(url, {
        headers: { Accept: "text/event-stream" },
        redirect: "manual",
        cache: "no-store",
        signal: mine.signal,
      });
      if (answer.type === "opaqueredirect" || answer.status === 401) return ended();
      if (answer.ok) {
        // A stream without moments cannot say what was missed.
        if (!ids && tries > 0) behind = true;
        news();
        await read(answer.body);
      }
    } catch {
      // The connection broke; it is made again below.
    }
    if (own !== mine) return;
    tries += 1;
    setTimeout(() => own === mine && connect(), Math.min(5000, 500 * 2 ** Math.min(tries, 4)) + Math.random() * 500);
  };

  // A part that could not be fetched is fetched again once the server is heard.
  const missed = ({ detail }) => {
    if (!triggers(detail.elt).some((one) => one.startsWith("sse:"))) return;
    setTimeout(() => (behind = true), 1000);
  };
  document.addEventListener("htmx:sendError", missed);
  document.addEventListener("htmx:responseError", ({ detail }) => detail.xhr.status >= 500 && missed({ detail }));
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.xhr.status !== 401) return;
    event.preventDefault();
    ended();
  });

  const awake = () => document.visibilityState === "visible" && Date.now() - Math.max(heard, tried) > 6000 && connect();
  document.addEventListener("visibilitychange", awake);
  addEventListener("online", awake);
  addEventListener("pageshow", ({ persisted }) => persisted && connect());
  addEventListener("pagehide", () => own?.abort());
  connect();

  // The clock in the head is the server's; when the server is not heard it stops, and the page says since when it is old.
  const words = (time) =>
    time.toLocaleTimeString("en-GB", { timeZone: clock.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const counter = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    const [h, m, r] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, String(s % 60).padStart(2, "0")];
    return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${r}` : `${m}:${r}`;
  };
  setInterval(() => {
    if (Date.now() - Math.max(heard, tried) > QUIET) connect();
    const now = Date.now() + ahead;
    // Countdowns and ages tick between the server's updates: data-until and data-since, in the server's milliseconds.
    for (const node of document.querySelectorAll("[data-until]")) node.textContent = counter(Number(node.dataset.until) - now);
    for (const node of document.querySelectorAll("[data-since]")) node.textContent = counter(now - Number(node.dataset.since));
    if (!clock) return;
    if (!over && Date.now() - heard < OLD) {
      clock.querySelector("time").textContent = words(new Date(now));
      return;
    }
    still(true);
    const stale = find("#stale");
    if (over || !stale.hidden) return;
    stale.querySelector("time").textContent = words(new Date(heard + ahead));
    stale.hidden = false;
  }, 1000);
});
