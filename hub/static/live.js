// Keep a page that shows something under way up to date, unless somebody is busy writing on it.
"use strict";
const main = document.querySelector("main[data-live]");
let shown = main && main.innerHTML;

const busy = () =>
  document.hidden ||
  (document.getSelection() || "").toString() !== "" ||
  main.querySelector("details.adding[open]") !== null ||
  [...main.querySelectorAll("textarea, input:not([type=hidden]):not([type=checkbox]), select")].some(
    (field) => field === document.activeElement || (field.tagName !== "SELECT" && field.value !== field.defaultValue),
  );

const opened = (root) => [...root.querySelectorAll("details > summary")];

async function refresh() {
  if (busy()) return;
  const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  if (fresh === null || fresh.innerHTML === shown || busy()) return;
  const open = new Map(opened(main).map((one) => [one.textContent, one.parentElement.open]));
  const focused = document.activeElement && document.activeElement.id;
  main.innerHTML = fresh.innerHTML;
  opened(main).forEach((one) => (one.parentElement.open = open.get(one.textContent) ?? one.parentElement.open));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  shown = fresh.innerHTML;
}

if (main) setInterval(() => refresh().catch(() => {}), 3000);
