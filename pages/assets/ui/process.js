// The schedule of a process: short rows, the newest first, and what comes meanwhile.

import { links, NotHere, rows } from "./calls.js";
import { el, plain } from "./el.js";
import { count, many } from "./format.js";
import { facts, section, table } from "./parts.js";
import { memoryDiffers } from "./history.js";
import { alarm, entryAt, failure, findAt, id, KINDS, processAt, size, step, time, upload } from "./shown.js";

// A page has no more rows than a browser shows at once without a pause.
const ROWS = 100;
const EVERY = 3000;
const LINKS = 200;

export function list(told) {
  return table("Schedule, the newest first", [
    ["Nonce", (row) => el("a", { href: entryAt(told.process, row.nonce), "data-row": true }, row.nonce ?? "none"), "number"],
    ["When", (row) => time(row.timestamp)],
    ["What", (row) => [KINDS[row.kind] ?? row.kind, row.action === null ? "" : `: ${row.action}`]],
    ["Id", (row) => id(row.message, row.message === null ? undefined : findAt(row.message))],
    ["From", (row) => id(row.owner)],
    ["Data", (row) => size(row.size), "number"],
    ["Upload", (row) => upload(row)],
  ], told.entries, "There is nothing before this.");
}

function steps(told, before, label) {
  const newest = before === null || told.newest === null ? null : processAt(told.process);
  const newer = before === null || told.newest === null || before > told.newest ? null
    : before + ROWS > told.newest ? processAt(told.process) : processAt(told.process, before + ROWS);
  return el("nav", { class: "actions", "aria-label": label },
    step("Newest", newest, "newest"), step("Newer", newer, "["),
    step("Older", told.next === null ? null : processAt(told.process, told.next), "]"));
}

// Asks for what is new, and offers it: rows stay where they are until somebody wants more.
function watch(told, offer, again, signal) {
  let timer = null;
  let newest = told.newest ?? -1;
  const look = async () => {
    if (document.visibilityState !== "visible" || signal.aborted) return;
    try {
      const now = await rows(told.process, null, 1);
      const come = (now.newest ?? -1) - newest;
      if (signal.aborted) return;
      if (come > 0) offer.replaceChildren(el("button", { type: "button", id: "new" }, `${count(come)} new`));
      else if (come < 0) offer.replaceChildren(el("p", { class: "alarm" },
        `The newest nonce was ${newest} and is ${now.newest ?? "none"} now: what this scheduler says of the past has changed.`));
      else offer.replaceChildren();
    } catch (error) {
      if (!signal.aborted) offer.replaceChildren(failure(error));
    }
    timer = setTimeout(look, EVERY);
  };
  offer.addEventListener("click", (event) => event.target.id === "new" && again(), { signal });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    look();
  }, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  timer = setTimeout(look, EVERY);
}

// Verifies all assignments from the first one on, and says how far it is.
async function verifyChain(process, said, signal) {
  const { ChainWalk } = await import("./verify.js");
  const walk = new ChainWalk(process);
  for (let after = null; !signal.aborted;) {
    const told = await links(process, after, LINKS);
    for (const link of told.links) {
      if (signal.aborted) return;
      const fault = await walk.take(link);
      if (fault !== null) {
        said.replaceChildren(el("span", { class: "level fail" }, "no"), plain(` At nonce ${link.nonce}: ${fault}.`));
        return;
      }
      if (walk.count % 20 === 0) {
        said.replaceChildren(`${many(walk.count, "assignment")} verified so far…`);
        await new Promise((resolve) => setTimeout(resolve));
      }
    }
    if (told.next === null) break;
    after = told.next;
  }
  if (signal.aborted) return;
  const gaps = walk.gaps === 0 ? "" : ` ${many(walk.gaps, "gap")} in the nonces could not be looked into.`;
  const end = `${many(walk.count, "assignment")}: signatures, hash chain and rising time are right, all by one signer.`;
  said.replaceChildren(el("span", { class: "level ok" }, "yes"), ` ${end}${gaps}`);
}

export async function open(place, route, signal) {
  const [process] = route.names;
  const given = route.given.get("before");
  const before = /^\d{1,15}$/.test(given) ? Number(given) : null;
  const differs = await memoryDiffers(process);
  let told;
  try {
    told = await rows(process, before, ROWS);
  } catch (error) {
    if (!(error instanceof NotHere) || differs === null) throw error;
    if (!signal.aborted) place.replaceChildren(alarm(differs), failure(error));
    return;
  }
  if (signal.aborted) return;
  const offer = el("div", { id: "offer", class: "new", role: "status", "aria-live": "polite" });
  const said = el("p", { id: "chain-said", role: "status", "aria-live": "polite" });
  const verify = el("button", { type: "button", "data-verify": true }, "Verify the whole chain");
  verify.addEventListener("click", async () => {
    verify.disabled = true;
    await verifyChain(process, said, signal).catch((error) => said.replaceChildren(failure(error)));
    verify.disabled = false;
  });
  place.replaceChildren(...differs === null ? [] : [alarm(differs)], section("process", "Process", facts([
    ["Id", id(process, findAt(process))],
    ["Newest nonce", told.newest === null ? "none" : String(told.newest)],
  ]), el("p", { class: "actions" }, verify), said),
  section("schedule", "Schedule", steps(told, before, "Pages, above the rows"), offer, list(told), steps(told, before, "Pages, below the rows")));
  if (before === null) watch(told, offer, route.again, signal);
}
