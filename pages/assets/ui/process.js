// The schedule of a process: short rows, the newest first, and what comes meanwhile.

import { NotHere, rows } from "./calls.js";
import { el, plainLine } from "./el.js";
import { follow } from "./feed.js";
import { count } from "./format.js";
import { facts, section, table } from "./parts.js";
import { memoryAlarm, memoryDiffers } from "./memory.js";
import { alarm, entryAt, failure, findAt, id, kind, processAt, size, step, time, upload } from "./shown.js";
import { wholeChain } from "./walk.js";

// A page has no more rows than a browser shows at once without a pause.
const ROWS = 100;
const EVERY = 3000;
// So many pages are gone back through, one by one: no address grows without an end.
const TRAIL = 200;

export function list(told) {
  return table("Schedule, the newest first", [
    ["Nonce", (row) => el("a", { href: entryAt(told.process, row.nonce), "data-row": true }, row.nonce ?? "none"), "number"],
    ["When", (row) => time(row.timestamp)],
    ["What", (row) => [kind(row), row.action === null ? "" : `: ${plainLine(row.action)}`]],
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

// Asks for what is new, and offers it: rows stay where they are until somebody wants more.
function watch(told, offer, shown, again, signal) {
  const shownAt = Date.now();
  const newest = told.newest ?? -1;
  const ask = async () => {
    try {
      return await rows(told.process, null, 0, signal);
    } catch (error) {
      if (error instanceof NotHere) return { gone: error };
      throw error;
    }
  };
  const show = (now, at, error) => {
    // Nobody tells any more that it still is as it is shown.
    shown.classList.toggle("stale", error !== null);
    const [wrong, come] = [error ?? now.gone ?? null, (now?.newest ?? -1) - newest];
    if (wrong !== null) sayOnce(offer, failure(wrong), "What is below was told at ", time(shownAt), ".");
    else if (come > 0) offerNew(offer, `${count(come)} new`);
    else if (come < 0) sayOnce(offer, el("p", { class: "alarm" },
      `The newest nonce was ${newest} and is ${now.newest ?? "none"} now: what this scheduler says of the past has changed.`));
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
