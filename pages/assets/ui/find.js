// What an id is here, and what this scheduler is.

import { clock, scheduler, whatIs } from "./calls.js";
import { el } from "./el.js";
import { NoAnswer } from "./feed.js";
import { count, isId, UNKNOWN } from "./format.js";
import { linkTo } from "./history.js";
import { facts, section, table } from "./parts.js";
import { id, processAt, time, upload } from "./shown.js";

// What is no id may be anything, as long as somebody likes.
const SOUGHT = 60;
const ROLES = { process: "Process", message: "Message", transaction: "Transaction", assignment: "Assignment" };

const isWhole = (told) => /^\d{1,15}$/.test(String(told ?? ""));

async function here(signal) {
  // A router, say, has an address and no height of its own.
  const height = clock(signal).catch((error) => {
    if (error instanceof NoAnswer) return null;
    throw error;
  });
  const [node, now] = await Promise.all([scheduler(signal), height]);
  return section("here", "This scheduler", facts([
    ["Address", id(node.address)],
    ["Its time", isWhole(node.timestamp) ? time(Number(node.timestamp)) : UNKNOWN],
    ["Block height", isWhole(now?.block_height) ? count(Number(now.block_height)) : UNKNOWN],
  ]), el("p", {}, "Look for an id above: that of a process, of a message, of an assignment, or of a transaction that was ",
    "assigned. In a terminal, ", el("code", {}, "quipu read PROCESS"), " lists a process, ", el("code", {}, "quipu read PROCESS/ID"),
    " shows a message of it, and ", el("code", {}, "curl …/explore/v1/ids/ID"), " says what any id is."),
  // Only where they are searched.
  document.getElementById("searches")?.content.cloneNode(true) ?? null);
}

function found(told) {
  const parts = [];
  if (told.is_scheduler) parts.push(el("p", {}, "This is the address of this scheduler."));
  if (told.places.length > 0) {
    parts.push(table("Places", [
      ["It is", (place) => ROLES[place.role] ?? place.role],
      ["Entry", (place) => el("a", { href: linkTo(place.process, place.entry) },
        place.entry.nonce === null ? "spawned" : `nonce ${place.entry.nonce}`), "number"],
      ["Of process", (place) => id(place.process, processAt(place.process))],
      ["When", (place) => time(place.entry.timestamp)],
      ["Upload", (place) => upload(place.entry)],
    ], told.places, ""));
  }
  if (told.has_more) parts.push(el("p", {}, "There are more places than these."));
  if (parts.length > 0) return parts;
  const as = told.position === null ? "as far as this scheduler tells" : `as of event ${count(told.position)}`;
  return [el("p", { id: "not-here" }, `Not here, ${as}.`),
    el("p", {}, "This scheduler scheduled nothing with this id up to there. What is sent to another scheduler is not ",
      "known here, and what was refused has no place anywhere.")];
}

export async function open(place, route, signal) {
  const [sought] = route.names;
  if (sought === undefined) {
    const shown = await here(signal);
    return signal.aborted ? undefined : place.replaceChildren(shown);
  }
  if (!isId(sought)) {
    const shown = sought.length > SOUGHT ? `${sought.slice(0, SOUGHT)}…` : sought;
    return place.replaceChildren(section("found", "What this id is", el("p", { class: "alarm", role: "alert" },
      `“${shown}” is no id: an id has 43 characters of base64url.`)));
  }
  const told = await whatIs(sought, signal);
  return signal.aborted ? undefined : place.replaceChildren(section("found", "What this id is", el("p", {}, id(sought)), found(told)));
}
