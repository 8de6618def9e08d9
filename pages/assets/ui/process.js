// The schedule of a process: short rows, the newest first, and what comes meanwhile.

import { NotHere, rows } from "./calls.js";
import { el } from "./el.js";
import { follow } from "./feed.js";
import { count } from "./format.js";
import { linkTo } from "./history.js";
import { facts, section, table } from "./parts.js";
import { memoryAlarm, memoryDiffers } from "./memory.js";
import { alarm, failure, findAt, id, processAt, size, step, time, upload, what } from "./shown.js";
import { wholeChain } from "./walk.js";

// A page has no more rows than a browser shows at once without a pause.
const ROWS = 100;
const EVERY = 3000;
// Each so many looks the newest row that is shown is held against what is told now, unless that is much to read for it.
const COMPARED = 5;
const MUCH = 1 << 20;
// So many pages are gone back through, one by one: no address grows without an end.
const TRAIL = 200;

export function list(told) {
  return table("Schedule, the newest first", [
    ["Nonce", (row) => el("a", { href: linkTo(told.process, row), "data-row": true }, row.nonce ?? "none"), "number"],
    ["When", (row) => time(row.timestamp)],
    ["What", what],
    ["Id", (row) => id(row.message, row.message === null ? undefined : findAt(row.message))],
    ["From", (row) => id(row.owner)],
    ["Data", (row) => size(row.size), "number"],
    ["Upload", (row) => upload(row)],
  ], told.entries, told.next === null ? "There is nothing before this." : "There is a gap here, and older ones are before it.");
}

// Where the pages before this one began. A page ends early where items are long, so that nothing else tells.
function trailOf(given) {
  const text = given.get("trail") ?? "";
  return /^\d{1,15}(\.\d{1,15})*$/.test(text) ? text.split(".").slice(0, TRAIL).map(Number) : [];
}

function steps(told, before, trail, label) {
  const { process, newest, next } = told;
  // All of it is here.
  if (before === null && next === null) return null;
  const back = trail[0];
  const newer = before === null || back === undefined ? null : processAt(process, back, trail.slice(1));
  const begun = before ?? (newest ?? -1) + 1;
  const older = next === null ? null : processAt(process, next, [begun, ...trail].slice(0, TRAIL));
  return el("nav", { class: "actions", "aria-label": label },
    step("Newest", before === null ? null : processAt(process), "newest"), step("Newer", newer, "["), step("Older", older, "]"));
}

// Whoever has the button keeps it, and what is read aloud is not read again.
function offerNew(offer, text) {
  const button = offer.querySelector("#new") ?? el("button", { type: "button", id: "new" });
  if (button.textContent !== text) button.textContent = text;
  if (button.parentNode !== offer) offer.replaceChildren(button);
}

function sayOnce(place, ...parts) {
  const said = el("div", {}, ...parts);
  if (place.textContent !== said.textContent) place.replaceChildren(said);
}

// How a row that is shown is told otherwise now; null where it is not, as far as that is told.
async function rowDiffers(process, row, signal) {
  const { entries: [now], next } = await rows(process, row.nonce + 1, 1, signal);
  if (now === undefined && next !== null) return null;
  if (now?.nonce !== row.nonce) return `Nonce ${row.nonce} is shown below, and it is gone`;
  const unlike = ["message", "assignment", "hash_chain"].some((name) => now[name] !== row[name]);
  return unlike ? `Nonce ${row.nonce} is another one now than is shown below` : null;
}

// What tells, look by look, whether what is shown or was told since is of a history that is gone. That is not taken back.
function comparing(told, signal) {
  const [row] = told.entries;
  let [most, looks, differs, wasAway] = [told.newest ?? -1, 0, null, false];
  return async (look) => {
    const now = await look().catch((error) => {
      wasAway = true;
      throw error;
    });
    looks += 1;
    const newest = now.newest ?? -1;
    if (newest < most) differs ??= `The newest nonce was ${most} and is ${now.newest ?? "none"} now`;
    most = Math.max(most, newest);
    const isDue = wasAway || (looks % COMPARED === 0 && (row?.size ?? 0) < MUCH);
    if (isDue && differs === null && Number.isInteger(row?.nonce)) differs = await rowDiffers(told.process, row, signal);
    wasAway = false;
    return { ...now, differs };
  };
}

// Asks for what is new, and offers it: rows stay where they are until somebody wants more.
function watch(told, offer, shown, again, signal) {
  const shownAt = Date.now();
  const newest = told.newest ?? -1;
  const compare = comparing(told, signal);
  const ask = async () => {
    try {
      return await compare(() => rows(told.process, null, 0, signal));
    } catch (error) {
      if (error instanceof NotHere) return { gone: error };
      throw error;
    }
  };
  const show = (now, at, error) => {
    const [wrong, differs] = [error ?? now.gone ?? null, now?.differs ?? null];
    // Nobody tells any more that it still is as it is shown.
    shown.classList.toggle("stale", error !== null || differs !== null);
    const come = (now?.newest ?? -1) - newest;
    if (wrong !== null) sayOnce(offer, failure(wrong), "What is below was told at ", time(shownAt), ".");
    else if (differs !== null) sayOnce(offer, el("p", { class: "alarm" }, `${differs}: what this scheduler says of the past has changed.`));
    else if (come > 0) offerNew(offer, `${count(come)} new`);
    else offer.replaceChildren();
  };
  offer.addEventListener("click", (event) => event.target.id === "new" && again(), { signal });
  follow(ask, show, { every: EVERY, isTold: true, signal });
}

export async function open(place, route, signal) {
  const [process] = route.names;
  const given = route.given.get("before");
  const asked = /^\d{1,15}$/.test(given) ? Number(given) : null;
  const trail = trailOf(route.given);
  const differs = await memoryDiffers(process, signal);
  let told;
  try {
    told = await rows(process, asked, ROWS, signal);
  } catch (error) {
    if (!(error instanceof NotHere) || differs === null) throw error;
    if (!signal.aborted) place.replaceChildren(...memoryAlarm(process, differs, route.again), failure(error));
    return;
  }
  if (signal.aborted) return;
  // What begins with the newest one is the newest page, as long as nothing comes.
  const before = asked !== null && asked > (told.newest ?? asked) ? null : asked;
  const shown = list(told);
  const offer = el("div", { id: "offer", class: "new", role: "status", "aria-live": "polite" });
  place.replaceChildren(...differs === null ? [] : memoryAlarm(process, differs, route.again), section("process", "Process", facts([
    ["Id", id(process, findAt(process))],
    ["Newest nonce", told.newest === null ? "none" : String(told.newest)],
  ]), told.moved_to ? alarm(`It has moved to ${told.moved_to}: what came since is there, and not here.`, "moved") : [],
  wholeChain(process, told.newest, differs !== null, signal)),
  section("schedule", "Schedule", steps(told, before, trail, "Pages, above the rows"), offer, shown,
    steps(told, before, trail, "Pages, below the rows")));
  if (before === null) watch(told, offer, shown, route.again, signal);
}
