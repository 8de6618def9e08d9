// The explorer: an address for each state, and the screen that belongs to it.

import { plain } from "./el.js";
import * as entry from "./entry.js";
import { HOME, NoAnswer, useToken } from "./feed.js";
import * as find from "./find.js";
import { isId } from "./format.js";
import { frame } from "./frame.js";
import { exploring } from "./keys.js";
import { tokenForm } from "./parts.js";
import * as process from "./process.js";
import * as search from "./search.js";
import { failure, findAt } from "./shown.js";

const SCREENS = { find: [find, "Find"], search: [search, "Search"], process: [process, "Process"], entry: [entry, "Entry"] };
// Those that are there without an id.
const OF_ALL = ["find", "search"];
// After how many milliseconds is asked again where nobody answered.
const AGAIN = 5000;
// Where operators have these pages beside their own.
const IS_OPERATORS = HOME.endsWith("/public/");
const part = (id) => document.getElementById(id);

let shown = new AbortController();

// Says it; what everybody sees anyway is only read aloud.
function say(text, isSeen = true) {
  part("said").className = isSeen ? "" : "unseen";
  part("said").textContent = plain(text);
}

// What an address stands for; that of nothing known is the start.
function route() {
  const [path, given] = location.hash.slice(1).split("?");
  const [, screen, ...names] = path.split("/");
  const known = Object.hasOwn(SCREENS, screen);
  const fits = known && (OF_ALL.includes(screen) || isId(names[0])) && (screen !== "entry" || /^(spawn|\d{1,15})$/.test(names[1] ?? ""));
  let decoded = [];
  try {
    decoded = names.slice(0, 2).map(decodeURIComponent);
  } catch {
    // Nobody's link has that.
  }
  return { screen: fits ? screen : "find", names: fits ? decoded : [], given: new URLSearchParams(given ?? ""), again: show };
}

// What went wrong, and what is asked for where that is the token of an operator: nobody else's scheduler has one, or may ask for it.
function failed(error) {
  if (error.needsToken && !IS_OPERATORS) return [failure(new NoAnswer("it answers 401"))];
  const form = () => tokenForm(error.message, (token) => {
    useToken(token);
    show();
  });
  return error.needsToken ? [form()] : [failure(error)];
}

// Asks again after a while, or once somebody looks: a page that nobody sees waits for nothing else.
function askAgain(signal) {
  const seen = () => document.visibilityState === "visible" && show(true);
  const timer = setTimeout(() => {
    if (!seen()) document.addEventListener("visibilitychange", seen, { signal });
  }, AGAIN);
  signal.addEventListener("abort", () => clearTimeout(timer));
}

// Shows what the address stands for; once more by itself as long as nobody answers, and without a word then. `isOther` where
// another screen was asked for: whoever was at something that is gone by then goes on from the top of it.
async function show(isAgain = false, isOther = false) {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  const to = route();
  const [screen, title] = SCREENS[to.screen];
  document.title = `${title}${to.names.length > 0 ? ` ${plain(to.names.at(-1).slice(0, 43))}` : ""} - Quipu explorer`;
  const content = part("content");
  content.setAttribute("aria-busy", "true");
  if (!isAgain) say("Asking…");
  let words = isOther ? `${document.title.split(" - ")[0]} is shown.` : "";
  try {
    await screen.open(content, to, signal);
  } catch (error) {
    // That is read aloud itself.
    words = "";
    if (!signal.aborted) content.replaceChildren(...failed(error));
    if (error instanceof NoAnswer && error.isAway) askAgain(signal);
  }
  if (signal.aborted) return;
  content.removeAttribute("aria-busy");
  say(words, false);
  if (isOther && document.activeElement === document.body) content.focus({ preventScroll: true });
}

part("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const sought = part("find-field").value.trim();
  if (sought === "") return;
  const to = findAt(encodeURIComponent(sought));
  // It may have come since it was asked for the last time.
  if (location.hash === to) show();
  else location.hash = to;
  // Keys are for what is found now.
  part("content").focus();
});
frame(exploring(part("find-field"), say));
window.addEventListener("hashchange", () => show(false, true));
show();
