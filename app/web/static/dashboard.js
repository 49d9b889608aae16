// Keeps a page up to date: what the server says has changed is fetched again, and only the parts that differ replaced.
"use strict";

const KINDS = ["project", "task", "message", "check", "failure", "call", "effect", "memory", "changed"];
const main = document.querySelector("main[data-stream]");
const light = document.querySelector("[data-live]");
const parts = (root) => [...root.querySelectorAll("[data-part]")];
const shown = new Map(parts(document).map((part) => [part.dataset.part, part.outerHTML]));
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

function ago(at) {
  const seconds = (Date.now() - at) / 1000;
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) || ["second", 1];
  return seconds < 45 ? "just now" : relative.format(-Math.round(seconds / size), unit);
}

function localise(root) {
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    time.textContent = time.className === "ago" ? ago(at) : (today ? "" : day.format(at) + " ") + clock.format(at);
    time.title = at.toLocaleString();
  }
}

function replace(old, html, fresh) {
  const open = new Map([...old.querySelectorAll("details[data-key]")].map((one) => [one.dataset.key, one.open]));
  const scrolled = [...old.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
  const part = document.importNode(fresh, true);
  part.querySelectorAll("details[data-key]").forEach((one) => (one.open = open.get(one.dataset.key) ?? one.open));
  old.replaceWith(part);
  part.querySelectorAll(".scroll").forEach((one, index) => ([one.scrollLeft, one.scrollTop] = scrolled[index] || [0, 0]));
  shown.set(part.dataset.part, html);
  localise(part);
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.redirected) return location.reload(); // signed out
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const fresh of parts(page)) {
    const old = document.querySelector(`[data-part="${CSS.escape(fresh.dataset.part)}"]`);
    const html = fresh.outerHTML;
    if (old && shown.get(fresh.dataset.part) !== html) replace(old, html, fresh);
  }
  document.title = page.title;
}

let due = false;
let running = false;
async function soon() {
  due = true;
  if (running || document.hidden) return;
  running = true;
  while (due && !document.hidden) {
    due = false;
    await new Promise((done) => setTimeout(done, 150)); // what comes together is shown together
    await refresh().catch(() => {});
  }
  running = false;
}

function connect() {
  const source = new EventSource(main.dataset.stream);
  const say = (state, words) => ((light.dataset.live = state), (light.lastElementChild.textContent = words));
  source.onopen = () => (say("on", "Live"), soon());
  source.onerror = () => {
    say("off", "Reconnecting");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 10000);
  };
  KINDS.forEach((kind) => source.addEventListener(kind, soon));
}

localise(document);
setInterval(() => document.querySelectorAll("time.ago").forEach((time) => localise(time.parentElement)), 20000);
document.addEventListener("visibilitychange", () => due && soon());
if (main) {
  connect();
  setInterval(() => document.querySelector("[data-moving]") && soon(), 5000); // what is under way grows longer
}
