// The calls that schedules are looked at with. No answer, and nothing there, are two things. Who answers may be anybody's
// scheduler, so that whatever is shown is looked at here first: it is what it should be, or no answer.

import { ask, fetched, HOME, NoAnswer } from "./feed.js";
import { isId } from "./format.js";
import { isBase64url } from "./item.js";

const CALLS = "explore/v1";
const PATIENCE = 60000;
// The longest item that is shown: a browser has it several times.
const LONGEST = 256 << 20;

// What the node says is not there.
export class NotHere extends Error {}

const isText = (value) => typeof value === "string";
const isFlag = (value) => typeof value === "boolean";
// Histories of others have what times they have.
const isTime = (value) => typeof value === "number";
// As long as addresses have them.
const isNumber = (value) => Number.isSafeInteger(value) && value >= 0 && value < 1e15;
// No more of an action is told in rows.
export const ACTION_LONGEST = 64;
const isAction = (value) => isText(value) && [...value.slice(0, 2 * ACTION_LONGEST + 1)].length <= ACTION_LONGEST;
const isBytes = (value) => isText(value) && isBase64url(value);
// Where a process has moved to; not told by all.
const isMove = (value) => value === undefined || value === null || isText(value);
const orNull = (is) => (value) => value === null || is(value);
const of = (shape) => (value) => Object.entries(shape).every(([name, is]) => is(value?.[name]));
const upTo = (most, shape) => (value) => Array.isArray(value) && value.length <= most && value.every(of(shape));

const ROW = {
  nonce: orNull(isNumber), sequence: orNull(isNumber), kind: isText, message: orNull(isId), assignment: orNull(isId),
  timestamp: orNull(isTime), block_height: orNull(isTime), hash_chain: orNull(isId), owner: orNull(isId),
  action: orNull(isAction), size: orNull(isNumber), imported: isFlag, upload: orNull(isText),
};
const PLACES = 100;

// What was told, if it has this shape.
function shaped(told, shape) {
  const wrong = Object.entries(shape).find(([name, is]) => !is(told?.[name]));
  if (wrong !== undefined) throw new NoAnswer(`what it tells is not what a scheduler tells, beginning with "${wrong[0]}"`);
  return told;
}

async function ofProcess(path, shape, signal) {
  const answer = await ask(path, [200, 404], signal);
  if (answer?.code === "not_found") throw new NotHere(answer.error);
  return shaped(answer, shape);
}

// By its role, the id that a place is about.
const ABOUT = {
  process: (place) => place.process,
  message: (place) => place.entry.message,
  transaction: (place) => place.entry.message,
  assignment: (place) => place.entry.assignment,
};

// Where this id is, and no other one: whoever asks whether a message arrived is not shown another.
export async function whatIs(id, signal) {
  const all = upTo(PLACES, { role: isText, process: isId, entry: of(ROW) });
  const places = (told) => all(told) && told.every((place) => Object.hasOwn(ABOUT, place.role) && ABOUT[place.role](place) === id);
  return shaped(await ask(`${CALLS}/ids/${id}`, [200], signal), { is_scheduler: isFlag, places, has_more: isFlag, position: orNull(isNumber) });
}

// Rows of a process, the newest first: all before this nonce, if one is given. None but the newest nonce where the limit is 0.
export function rows(process, before, limit, signal) {
  const from = before === null ? "" : `&before=${before}`;
  // It goes on before what was asked for, or it would never end.
  const isEarlier = (next) => isNumber(next) && (before === null || next < before);
  // The newest is first, and what has no nonce is the spawn, behind all others. Histories from before have two of a nonce.
  const falls = ({ nonce }, at, all) => (at === 0 ? before === null || (nonce ?? -1) < before : (nonce ?? -1) <= (all[at - 1].nonce ?? -1));
  const entries = (told) => upTo(limit, ROW)(told) && told.every(falls);
  const shape = { process: (told) => told === process, newest: orNull(isNumber), entries, next: orNull(isEarlier), moved_to: isMove };
  return ofProcess(`${CALLS}/processes/${process}?limit=${limit}${from}`, shape, signal);
}

// The assignments after this nonce; null stands for the start.
export async function links(process, after, limit, signal) {
  const from = after === null ? "" : `&after=${after}`;
  const isLater = (nonce) => isNumber(nonce) && (after === null || nonce > after);
  const shape = { links: upTo(limit, { nonce: isLater, bytes: isBytes }), next: orNull(isNumber) };
  const told = await ofProcess(`${CALLS}/processes/${process}/chain?limit=${limit}${from}`, shape, signal);
  // It goes on where it ends, or it would never end.
  if (told.next !== null && told.next !== told.links.at(-1)?.nonce) {
    throw new NoAnswer(`it says that more comes after nonce ${told.next}, where what it tells does not end`);
  }
  return told;
}

const ENTRY = {
  process: isId, nonce: orNull(isNumber), kind: isText, id: isId, owner: orNull(isId), timestamp: orNull(isTime), size: orNull(isNumber),
};

// Entries that meet all of these conditions, the newest first.
export async function search(given, limit, signal) {
  const asked = new URLSearchParams({ limit });
  for (const name of ["tag", "owner", "process", "cursor"]) if (given[name]) asked.set(name, given[name]);
  return shaped(await ask(`query/v1/messages?${asked}`, [200], signal), { items: upTo(limit, ENTRY), next: orNull(isText), position: orNull(isNumber) });
}

const bytesOf = (id, part, process) => `${CALLS}/items/${id}/bytes?part=${part}&process-id=${process}`;

// Where the exact bytes of an item or an assignment are.
export const bytesAt = (id, part, process) => `${HOME}${bytesOf(id, part, process)}`;

export async function bytes(id, part, process, signal) {
  const { status, body } = await fetched(bytesOf(id, part, process), { signal }, PATIENCE, LONGEST);
  if (status === 404) throw new NotHere("these bytes are not here");
  if (status !== 200) throw new NoAnswer(`it answers ${status} instead of bytes`);
  return body;
}

export const scheduler = async (signal) => shaped(await ask("", [200], signal), { address: isId, timestamp: isText });
export const clock = (signal) => ask("timestamp", [200, 503], signal);
