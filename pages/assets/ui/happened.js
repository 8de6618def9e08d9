// History: what happened to the node.

import { el } from "./el.js";
import { ask as askFor, askChecks } from "./feed.js";
import { count } from "./format.js";
import { level, section, table } from "./parts.js";
import { written } from "./preferences.js";

export const name = "history";
export const heading = "History";

const ROWS = 500;
const KINDS = { started: "Node started", stopped: "Node ended", role: "Role", check: "Check", job: "Replay", log: "Recorded in the log" };

// `before` in what is given is a time: only what happened earlier is told.
export async function ask(given) {
  const before = /^\d{1,15}$/.test(given.get("before")) ? given.get("before") : null;
  const [history, checks] = await Promise.all([askFor(`history${before === null ? "" : `?before=${before}`}`), askChecks()]);
  return { ...page(history), before, checks };
}

// As much as is shown at once, and before which time it goes on: what happened at one time stays together.
function page({ events, next }) {
  if (events.length <= ROWS) return { events, next };
  const left = events[ROWS].at_ms;
  const whole = events.slice(0, ROWS).findLastIndex((event) => event.at_ms !== left) + 1;
  const shown = events.slice(0, whole === 0 ? ROWS : whole);
  return { events: shown, next: shown.at(-1).at_ms };
}

const steps = ({ before, next }) => (before === null && next === null ? null : el("nav", { class: "actions", "aria-label": "Pages" },
  before === null ? null : el("a", { href: `#/${name}` }, "Newest"), next === null ? null : el("a", { href: `#/${name}?before=${next}` }, "Older")));

// What a check has become is a word in front of its reason.
function text(event) {
  const [, result, reason] = /^(ok|warn|fail): (.*)$/s.exec(event.text) ?? [];
  return event.kind === "check" && result !== undefined ? [level(result), ` ${reason}`] : event.text;
}

export const parts = (told) => [section("history", "What happened, the newest first", steps(told), table("History", [
  ["When", (event) => (event.at_ms === null ? "not known"
    : [event.is_about ? "about " : "", el("time", { "data-ms": event.at_ms }, written(event.at_ms))])],
  ["What", (event) => `${KINDS[event.kind] ?? event.kind}${event.about ? `: ${event.about}` : ""}`],
  ["How", text],
  ["Event", (event) => (event.sequence === null ? "none" : count(event.sequence)), "number"],
], told.events, told.before === null ? "Nothing is known to have happened." : "Nothing is known to have happened before."), steps(told))];
