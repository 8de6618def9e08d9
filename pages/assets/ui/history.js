// What whoever made a link saw: it carries an assignment and its hash chain. Whoever changes what was signed is found out by
// whoever has the link.

import { loaded } from "./feed.js";
import { isId } from "./format.js";
import { NoItem, parse, tag } from "./item.js";
import { entryAt } from "./shown.js";

// The address of an entry with what it is now.
export function linkTo(process, row) {
  const seen = Object.entries({ assignment: row.assignment, chain: row.hash_chain }).filter(([, id]) => id !== null);
  // An imported assignment may have no chain, and what was never seen is not remembered.
  return `${entryAt(process, row.nonce)}${seen.length === 0 ? "" : `?${new URLSearchParams(seen)}`}`;
}

// What the signed bytes themselves say; a list may say anything.
async function signedIn(assignment) {
  const { idOf } = await loaded(import("./verify.js"));
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
