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

export async function ask() {
  const [history, checks] = await Promise.all([askFor("history"), askChecks()]);
  return { events: history.events, checks };
}

// What a check has become is a word in front of its reason.
function text(event) {
  const [, result, reason] = /^(ok|warn|fail): (.*)$/s.exec(event.text) ?? [];
  return event.kind === "check" && result !== undefined ? [level(result), ` ${reason}`] : event.text;
}

export const parts = (told) => [section("history", "What happened, the newest first", table("History", [
  ["When", (event) => (event.at_ms === null ? "not known"
    : [event.is_about ? "about " : "", el("time", { "data-ms": event.at_ms }, written(event.at_ms))])],
  ["What", (event) => `${KINDS[event.kind] ?? event.kind}${event.about ? `: ${event.about}` : ""}`],
  ["How", text],
  ["Event", (event) => (event.sequence === null ? "none" : count(event.sequence)), "number"],
], told.events.slice(0, ROWS), "Nothing is known to have happened."),
told.events.length > ROWS ? el("p", {}, `The newest ${ROWS} are shown.`) : null)];
