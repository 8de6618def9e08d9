// How ids, times, places and failures look on all screens of the explorer.

import { el, plainLine } from "./el.js";
import { written } from "./preferences.js";
import { ACTION_LONGEST, NotHere } from "./calls.js";
import { NoAnswer } from "./feed.js";
import { size as sized } from "./format.js";

export const findAt = (id) => `#/find/${id}`;
// The page of a process that begins before this nonce, and where those began that led there, the last one first.
export function processAt(process, before, trail = []) {
  if (before === undefined) return `#/process/${process}`;
  return `#/process/${process}?before=${before}${trail.length === 0 ? "" : `&trail=${trail.join(".")}`}`;
}
export const entryAt = (process, nonce) => `#/entry/${process}/${nonce ?? "spawn"}`;

// An id as text, or as a link.
export function id(text, at) {
  if (text === null || text === undefined) return "none";
  const attributes = { class: "id", "data-id": text, title: text };
  return at === undefined ? el("span", attributes, text) : el("a", { ...attributes, href: at }, text);
}

export function time(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "none";
  return el("time", { "data-ms": milliseconds }, written(milliseconds));
}

// A number of bytes, where everybody has it but who does not tell.
export const size = (bytes) => (bytes === null || bytes === undefined ? "not told" : sized(bytes));

// The words for what is known; whatever else somebody tells is shown as it is.
const worded = (words, told) => (Object.hasOwn(words, told) ? words[told] : told);

const UPLOADS = { uploaded: "uploaded", waiting: "waiting", refused: "refused for good" };
// A node that uploads nothing knows nothing of what others do.
export const upload = (row) => (row.upload === null ? "not told here" : worded(UPLOADS, row.upload));

const KINDS = { spawned: "process", scheduled: "message", assigned: "transaction on Arweave" };
export const kind = (row) => worded(KINDS, row.kind);

// An action that is as long as it is told in rows may go on.
export function what(row) {
  if (row.action === null) return kind(row);
  const more = [...row.action].length < ACTION_LONGEST ? "" : "…";
  return `${kind(row)}: ${row.action === "" ? "an empty action" : `${plainLine(row.action)}${more}`}`;
}

// What must not be overlooked: another history than the one that was seen.
export const alarm = (text, id = "rewritten") => el("p", { class: "alarm", role: "alert", id }, text);

// What went wrong, never shown as if nothing were there.
export function failure(error) {
  const words = error instanceof NotHere ? "Not here" : error instanceof NoAnswer ? "No answer" : "This page has a fault";
  return el("p", { class: "alarm", role: "alert" }, `${words}: ${error.message}.`);
}

// A step to somewhere that stays where it is when it leads nowhere.
export function step(label, at, key) {
  const attributes = at === null ? { "aria-disabled": "true", role: "link" } : { href: at };
  return el("a", { ...attributes, "data-step": key }, label);
}
