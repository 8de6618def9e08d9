// What was seen of a process before: links carry an assignment and its hash chain, and the browser keeps what it verified
// last. Whoever changes what was signed is found out by whoever has either.

import { links } from "./calls.js";
import { base64url, fromBase64url, parse, tag } from "./item.js";
import { keep, kept } from "./preferences.js";
import { entryAt } from "./shown.js";

// The address of an entry with what it is now.
export function linkTo(process, row) {
  const seen = row.assignment === null ? "" : `?assignment=${row.assignment}&chain=${row.hash_chain}`;
  return `${entryAt(process, row.nonce)}${seen}`;
}

// What an old link says otherwise than the node does now; none when they agree.
export function linkDiffers(given, row) {
  const told = { assignment: row.assignment, chain: row.hash_chain };
  for (const [name, words] of [["assignment", "the assignment"], ["chain", "the hash chain"]]) {
    const was = given.get(name);
    if (was !== null && was !== told[name]) {
      return `This is not what the link saw: ${words} was ${was} and is ${told[name]} now. The history was rewritten.`;
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
  const { links: [link] } = await links(process, last.nonce === 0 ? null : last.nonce - 1, 1);
  if (link === undefined || link.nonce !== last.nonce) {
    return `This browser verified nonce ${last.nonce} before, and it is gone. The history was rewritten.`;
  }
  const item = parse(fromBase64url(link.bytes));
  if (tag(item, "Hash-Chain") !== last.chain || base64url(item.signature.subarray(0, 64)) !== last.signature) {
    return `This browser verified another assignment at nonce ${last.nonce} before. The history was rewritten.`;
  }
  return null;
}
