// One entry of a schedule: its tags and data as they were signed, what the scheduler signed, and whether that is true.

import { bytes, bytesAt, links, NotHere, rows } from "./calls.js";
import { data } from "./data.js";
import { el, plainLine } from "./el.js";
import { hasToken, loaded } from "./feed.js";
import { count, many } from "./format.js";
import { linkDiffers, linkTo } from "./history.js";
import { base64url, fromBase64url, NoItem, parse } from "./item.js";
import { memoryAlarm, memoryDiffers, remember } from "./memory.js";
import { facts, section, table } from "./parts.js";
import { alarm, entryAt, failure, findAt, id, kind, processAt, size, step, time, upload } from "./shown.js";

// What there is of one part; null where nothing can be.
async function part(of, name, process, signal) {
  if (of === null) return null;
  try {
    return await bytes(of, name, process, signal);
  } catch (error) {
    if (error instanceof NotHere) return null;
    throw error;
  }
}

// So many times it is gone on with where a gap is too wide to be looked through at once.
const GAPS = 10;

// The newest row before this nonce, which may be behind a gap; `next` is not null where not all of that was looked through.
async function rowBefore(process, nonce, signal) {
  let told = await rows(process, nonce, 1, signal);
  for (let left = GAPS; told.entries.length === 0 && told.next !== null && left > 0; left -= 1) {
    told = await rows(process, told.next, 1, signal);
  }
  return told;
}

// The entry of this nonce, or why there is none and what is there on either side of that place.
async function rowAt(process, nonce, signal) {
  const told = await rowBefore(process, nonce === null ? 0 : nonce + 1, signal);
  const row = told.entries.find((row) => row.nonce === nonce);
  if (row !== undefined) return { row, newest: told.newest };
  if (nonce === null) return { reason: "the process was not spawned without a nonce" };
  if (nonce > (told.newest ?? -1)) {
    const ends = told.newest === null ? "has no nonce yet" : `ends at nonce ${told.newest}`;
    return { reason: `nonce ${nonce}: the process ${told.moved_to ? `${ends} here, and goes on at ${told.moved_to}` : ends}` };
  }
  // Whoever took a history over took over its gaps.
  const before = told.entries[0]?.nonce;
  const { links: [after] } = await links(process, nonce, 1, signal);
  const unknown = before === undefined && told.next !== null;
  const from = unknown ? `goes on somewhere before nonce ${told.next}` : before === undefined ? "begins" : before === null ? "goes on from its spawn" : `goes on from nonce ${before}`;
  const to = after === undefined ? "" : before === undefined ? ` ${unknown ? "to" : "with"} nonce ${after.nonce}` : ` to nonce ${after.nonce}`;
  return { reason: `nonce ${nonce}: there is a gap, and the process ${from}${to}`, gap: { before: unknown ? told.next : before, after: after?.nonce } };
}

// No more rows of tags are shown, and none after so many characters: an item of somebody else may have a million.
const TAGS_SHOWN = 500;
const TEXT_SHOWN = 1 << 20;

function tags(item) {
  let [shown, length] = [0, 0];
  for (; shown < Math.min(item.tags.length, TAGS_SHOWN) && length < TEXT_SHOWN; shown += 1) {
    length += item.tags[shown].name.length + item.tags[shown].value.length;
  }
  const less = shown === item.tags.length ? null : el("p", { class: "quiet" },
    `The first ${count(shown)} of ${many(item.tags.length, "tag")} are shown; all of them are in the exact bytes.`);
  return [table("Tags as they were signed", [
    ["Name", (tag) => plainLine(tag.name)],
    ["Value", (tag) => plainLine(tag.value)],
  ], item.tags.slice(0, shown), "It has no tags."), less];
}

// An address of what is here, as long as this is shown.
function addressOf(raw, signal) {
  const at = URL.createObjectURL(new Blob([raw]));
  signal.addEventListener("abort", () => URL.revokeObjectURL(at));
  return at;
}

function signed(heading, name, of, raw, process, signal) {
  if (raw === null) return section(name, heading, el("p", {}, of === null ? "It has none."
    : "Its bytes are not here: this scheduler does not show it, or not as it was signed."));
  // Where a token is asked for, no link has it: what is here already is saved.
  const at = hasToken() ? addressOf(raw, signal) : bytesAt(of, name, process);
  const save = el("p", { class: "actions" }, el("a", { href: at, download: `${of}.bin` }, "Save the exact bytes"));
  try {
    const item = parse(raw);
    return section(name, heading, facts([
      ["Id", id(of)],
      ["Signed with", item.name],
      ["Target", item.target.length === 0 ? "none" : id(base64url(item.target), findAt(base64url(item.target)))],
      ["Anchor", item.anchor.length === 0 ? "none" : id(base64url(item.anchor))],
    ]), tags(item), name === "item" ? data(item.data) : [], save);
  } catch (error) {
    if (!(error instanceof NoItem)) throw error;
    return section(name, heading, el("p", { class: "alarm" }, `It cannot be read: ${error.message}.`), save);
  }
}

function verdicts(lines) {
  const levels = { yes: "ok", no: "fail" };
  return table("What was verified", [
    ["Result", (line) => el("span", { class: `level ${levels[line.result] ?? "warn"}` }, line.result)],
    ["What", (line) => line.name],
    ["Why", (line) => line.reason],
  ], lines, "");
}

async function verifyAll(process, row, item, assignment, signal) {
  const { isSettled, verifyEntry } = await loaded(import("./verify.js"));
  const spawn = row.kind === "spawned" ? item : await part(process, "item", process, signal);
  let before = null;
  if (row.nonce > 0) {
    const { links: [link] } = await links(process, row.nonce === 1 ? null : row.nonce - 2, 1, signal);
    if (link?.nonce === row.nonce - 1) before = fromBase64url(link.bytes);
  }
  const lines = await verifyEntry({ process, row, item, assignment, spawn, before });
  return { lines, settled: isSettled(lines) };
}

function verification(process, row, item, assignment, differs, signal) {
  const said = el("div", { role: "status", "aria-live": "polite", id: "verified" });
  const button = el("button", { type: "button", "data-verify": true }, "Verify here");
  let isAsking = false;
  button.addEventListener("click", async () => {
    if (isAsking) return;
    // Whoever pressed it stays at it.
    isAsking = true;
    button.setAttribute("aria-disabled", "true");
    said.replaceChildren("Verifying…");
    try {
      const { lines, settled } = await verifyAll(process, row, item, assignment, signal);
      const unlike = settled && !differs ? await remember(process, assignment) : null;
      const word = unlike === null ? [] : [el("p", { class: unlike.isWrong ? "alarm" : "quiet" }, unlike.text)];
      said.replaceChildren(...word, verdicts(lines));
    } catch (error) {
      said.replaceChildren(failure(error));
    }
    isAsking = false;
    button.removeAttribute("aria-disabled");
  });
  return section("verification", "Verification", el("p", {}, "Each line is verified by itself, in this browser. The code for ",
    "that comes from whoever serves this page: to depend on it less, save the exact bytes and give them to ",
    el("code", {}, "quipu verify-item"), "."), el("p", { class: "actions" }, button), said);
}

// The ways to the entries of these nonces, where there are such; null is that of a spawn without one.
const neighbours = (process, before, after, ...more) => el("nav", { class: "actions", "aria-label": "Neighbours" },
  step("Nonce before", before === undefined ? null : entryAt(process, before), "["),
  step("Nonce after", after === undefined ? null : entryAt(process, after), "]"),
  el("a", { href: processAt(process) }, "Schedule"), more);

function steps(process, row, newest) {
  // A process that was spawned without a nonce comes before its first message.
  const before = row.nonce > 0 ? row.nonce - 1 : row.nonce === 0 && row.kind !== "spawned" ? null : undefined;
  const after = (row.nonce ?? -1) < (newest ?? -1) ? (row.nonce ?? -1) + 1 : undefined;
  return neighbours(process, before, after, el("a", { href: linkTo(process, row), id: "link" }, "Link that remembers this"));
}

// What is known before the signed bytes have come.
function about(process, row, newest) {
  return section("entry", row.nonce === null ? "Spawn" : `Nonce ${count(row.nonce)}`, steps(process, row, newest), facts([
    ["What", kind(row)],
    ["Item", id(row.message, row.message === null ? undefined : findAt(row.message))],
    ["Of process", id(process, processAt(process))],
    ["From", row.owner === null ? undefined : id(row.owner)],
    ["When", time(row.timestamp)],
    ["Block height", row.block_height === null ? undefined : count(row.block_height)],
    ["Upload", upload(row)],
    ["Event", row.sequence === null ? undefined : count(row.sequence)],
    ["Taken over", row.imported ? "from another scheduler" : undefined],
  ]));
}

const HEADINGS = { item: "Item", assignment: "Assignment" };

// Puts a part where it belongs once it has come; what has come, or undefined where there was no answer.
async function fill(place, name, of, coming, process, signal) {
  const show = (shown) => signal.aborted || place.replaceChildren(shown);
  try {
    const raw = await coming;
    show(signed(HEADINGS[name], name, of, raw, process, signal));
    return raw;
  } catch (error) {
    show(section(name, HEADINGS[name], failure(error)));
    return undefined;
  }
}

const alarmsOf = (process, link, memory, again) => [link === null ? [] : alarm(link), memory === null ? [] : memoryAlarm(process, memory, again)].flat();

export async function open(place, route, signal) {
  const [process, written] = route.names;
  const address = location.hash;
  const nonce = written === "spawn" ? null : Number(written);
  let told;
  try {
    told = await rowAt(process, nonce, signal);
  } catch (error) {
    if (!(error instanceof NotHere)) throw error;
    told = { reason: error.message };
  }
  const { row, newest, reason, gap } = told;
  if (row === undefined) {
    const gone = "A link saw an entry here that is gone. The history was rewritten, or this is another scheduler.";
    const seen = alarmsOf(process, route.given.has("assignment") ? gone : null, await memoryDiffers(process, signal), route.again);
    const ways = gap === undefined ? [] : [neighbours(process, gap.before, gap.after)];
    if (!signal.aborted) place.replaceChildren(...seen, failure(new NotHere(reason)), ...ways);
    return;
  }
  if (signal.aborted) return;
  const [alarms, verified, item, assignment] = Array.from({ length: 4 }, () => el("div", {}));
  const wait = (name, of) => section(name, HEADINGS[name], el("p", { class: "quiet" }, "Asking for its bytes", of === null ? "" : `, ${size(of)} of data`, "…"));
  item.replaceChildren(wait("item", row.size));
  assignment.replaceChildren(wait("assignment", null));
  // What an item is called needs none of its bytes, which may be many.
  place.replaceChildren(alarms, about(process, row, newest), verified, item, assignment);
  const ofItem = row.kind === "assigned" ? null : row.message;
  const [itemBytes, assignmentBytes, memory] = await Promise.all([
    fill(item, "item", row.message, part(ofItem, "item", process, signal), process, signal),
    fill(assignment, "assignment", row.assignment, part(row.assignment, "assignment", process, signal), process, signal),
    memoryDiffers(process, signal),
  ]);
  const link = await linkDiffers(route.given, row, assignmentBytes ?? null);
  if (signal.aborted) return;
  const seen = alarmsOf(process, link, memory, route.again);
  alarms.replaceChildren(...seen);
  // Nothing is verified of which a part had no answer.
  if (itemBytes !== undefined && assignmentBytes !== undefined) {
    verified.replaceChildren(verification(process, row, itemBytes, assignmentBytes, seen.length > 0, signal));
  }
  // What is copied from the address remembers what is seen now, unless somebody is on the way elsewhere.
  if (route.given.size === 0 && location.hash === address) history.replaceState(null, "", linkTo(process, row));
}
