// What was seen of a process before: links carry an assignment and its hash chain, and the browser keeps what it verified
// last. Whoever changes what was signed is found out by whoever has either.

import { links, NotHere } from "./calls.js";
import { isId } from "./format.js";
import { base64url, fromBase64url, NoItem, parse, tag } from "./item.js";
import { keep, kept } from "./preferences.js";
import { entryAt } from "./shown.js";

// The address of an entry with what it is now.
export function linkTo(process, row) {
  const seen = row.assignment === null ? "" : `?assignment=${row.assignment}&chain=${row.hash_chain}`;
  return `${entryAt(process, row.nonce)}${seen}`;
}

// What the signed bytes themselves say; a list may say anything.
async function signedIn(assignment) {
  const { idOf } = await import("./verify.js");
  const item = parse(assignment);
  return { assignment: idOf(item), chain: tag(item, "Hash-Chain") };
}

// What an old link says otherwise than the node does now, by its list or by what it signed; none when they agree.
export async function linkDiffers(given, row, assignment) {
  const seen = [["assignment", "the assignment"], ["chain", "the hash chain"]].filter(([name]) => given.has(name));
  if (seen.length === 0) return null;
  if (!seen.every(([name]) => isId(given.get(name)))) return "The link to this entry is damaged: what it remembers is no id.";
  const told = [{ assignment: row.assignment, chain: row.hash_chain }];
  try {
    if (assignment !== null) told.push(await signedIn(assignment));
  } catch (error) {
    if (!(error instanceof NoItem)) throw error;
    return `This is not what the link saw: the assignment cannot be read: ${error.message}.`;
  }
  for (const [name, words] of seen) {
    const now = told.find((one) => one[name] !== given.get(name));
    if (now !== undefined) {
      return `This is not what the link saw: ${words} was ${given.get(name)} and is ${now[name] ?? "none"} now. The history was rewritten.`;
    }
  }
  return null;
}

const key = (process) => `seen.${process}`;

function seen(process) {
  try {
    const { nonce, chain, signature } = JSON.parse(kept(key(process)));
    return Number.isSafeInteger(nonce) && typeof chain === "string" && typeof signature === "string" ? { nonce, chain, signature } : null;
  } catch {
    return null;
  }
}

// Keeps what was verified, unless something later was before.
export function remember(process, assignment) {
  const item = parse(assignment);
  const nonce = Number(tag(item, "Nonce"));
  const last = seen(process);
  if (last !== null && last.nonce > nonce) return;
  const signature = base64url(item.signature.subarray(0, 64));
  keep(key(process), JSON.stringify({ nonce, chain: tag(item, "Hash-Chain"), signature }));
}

// What this browser verified otherwise before than the node tells now; none when they agree or it never did.
export async function memoryDiffers(process) {
  const last = seen(process);
  if (last === null) return null;
  const gone = `This browser verified nonce ${last.nonce} before, and it is gone. The history was rewritten, or this is another scheduler.`;
  let link;
  try {
    [link] = (await links(process, last.nonce === 0 ? null : last.nonce - 1, 1)).links;
  } catch (error) {
    if (!(error instanceof NotHere)) throw error;
  }
  if (link === undefined || link.nonce !== last.nonce) return gone;
  let item;
  try {
    item = parse(fromBase64url(link.bytes));
  } catch (error) {
    if (!(error instanceof NoItem)) throw error;
    return `This browser verified an assignment at nonce ${last.nonce} before, and it cannot be read now: ${error.message}.`;
  }
  if (tag(item, "Hash-Chain") !== last.chain || base64url(item.signature.subarray(0, 64)) !== last.signature) {
    return `This browser verified another assignment at nonce ${last.nonce} before. The history was rewritten.`;
  }
  return null;
}
