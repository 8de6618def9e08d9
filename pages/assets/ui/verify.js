// What can be verified of an entry of a schedule, each thing by itself. This page came from the node that is under test: for
// a verdict that does not depend on it the bytes can be saved and given to `quipu verify-item`.

import { base64url, fromBase64url, isBase64url, NoItem, parse, tag, tagOfAny } from "./item.js";
import { isSigned, sha256 } from "./signatures.js";

const line = (name, result, reason) => ({ name, result, reason });
const yes = (name, reason) => line(name, "yes", reason);
const no = (name, reason) => line(name, "no", reason);
const unchecked = (name, reason) => line(name, "not checked", reason);

export const idOf = (item) => base64url(sha256(item.signature));
export const addressOf = (item) => base64url(sha256(item.owner));

// What the assignment after this one has to have as its chain; null where this one has none.
export function chainAfter(item) {
  const chain = tag(item, "Hash-Chain") ?? "";
  if (chain.length !== 43 || !isBase64url(chain)) return null;
  return base64url(sha256(Uint8Array.of(...sha256(item.signature), ...fromBase64url(chain))));
}
export const chainOfNone = (process) => base64url(sha256(fromBase64url(process)));

// The time that an assignment names; null where that is no number of milliseconds.
export function timeOf(item) {
  const text = tag(item, "Timestamp") ?? "";
  const time = /^\d{1,20}$/.test(text) ? BigInt(text) : null;
  return time !== null && time < 1n << 64n ? time : null;
}

// The item that bytes are, or why they are none.
export function read(bytes) {
  try {
    return { item: parse(bytes) };
  } catch (error) {
    if (error instanceof NoItem) return { fault: error.message };
    throw error;
  }
}

async function signature(name, read, missing) {
  if (read === null) return unchecked(name, missing);
  if (read.item === undefined) return no(name, read.fault);
  const { item } = read;
  return await isSigned(item) ? yes(name, `${item.name}, by ${addressOf(item)}`)
    : no(name, `it is not that of its owner over these bytes (${item.name})`);
}

function ids(name, item, assignment, row) {
  const found = [[item, row.message], [assignment, row.assignment]].filter(([read]) => read !== null);
  for (const [read, told] of found) {
    if (read.item === undefined) return no(name, read.fault);
    if (idOf(read.item) !== told) return no(name, `the signature makes the id ${idOf(read.item)}, not ${told}`);
  }
  return found.length === 0 ? unchecked(name, "there are no bytes") : yes(name, "SHA-256 of each signature");
}

// Whether it signed the assignments of a process whose item this is.
export async function scheduler(name, assignment, spawn) {
  if (assignment?.item === undefined) return unchecked(name, "there is no assignment that can be read");
  if (spawn === null) return unchecked(name, "the item of the process is not here");
  if (spawn.item === undefined) return no(name, `the item of the process: ${spawn.fault}`);
  const { item, process } = spawn;
  if (idOf(item) !== process) return no(name, `the item of the process has the id ${idOf(item)}`);
  if (!(await isSigned(item))) return no(name, "the signature of the process is wrong");
  const [wanted, signer] = [tagOfAny(item, "Scheduler"), addressOf(assignment.item)];
  return wanted === signer ? yes(name, signer) : no(name, `the process names ${wanted ?? "none"}, ${signer} signed`);
}

function names(name, item, assignment, process, { nonce, message }) {
  if (assignment?.item === undefined) return unchecked(name, "there is no assignment that can be read");
  const said = (of) => tag(assignment.item, of);
  if (said("Process") !== process) return no(name, `it names the process ${said("Process")}`);
  if (said("Nonce") !== String(nonce)) return no(name, `it names the nonce ${said("Nonce")}`);
  if (item?.item === undefined) {
    // The id that is shown may be anybody's; the one that was signed is what arrived.
    if (said("Message") === undefined) return unchecked(name, "process and nonce are right; it names no item");
    return said("Message") === message ? yes(name, "process, nonce and id; the item is not here") : no(name, `it names the item ${said("Message")}`);
  }
  const id = idOf(item.item);
  if (id === process && said("Message") === undefined) return yes(name, "it is the process itself");
  return said("Message") === id ? yes(name, "process, nonce and item") : no(name, `it names the item ${said("Message")}`);
}

// What a list tells of an entry, held against the bytes, which may have zeros in front of numbers.
function listed(name, item, assignment, row) {
  const isSame = (told, signed) => told === signed || (typeof told === "number" && /^\d{1,20}$/.test(signed ?? "") && Number(signed) === told);
  const pairs = [];
  if (item?.item !== undefined) pairs.push(["sender", row.owner, addressOf(item.item)], ["size", row.size, String(item.item.data.length)]);
  if (assignment?.item !== undefined) {
    const said = (of) => tag(assignment.item, of);
    pairs.push(["time", row.timestamp, said("Timestamp")], ["block height", row.block_height, said("Block-Height")], ["hash chain", row.hash_chain, said("Hash-Chain")]);
  }
  const told = pairs.filter(([, told]) => told !== null);
  const other = told.find(([, told, signed]) => !isSame(told, signed));
  if (other !== undefined) return no(name, `${other[0]}: it says ${other[1]}, what was signed ${other[2] ?? "none"}`);
  return told.length === 0 ? unchecked(name, "there are no bytes") : yes(name, told.map(([what]) => what).join(", "));
}

// Chain and time, by the assignment before, whoever signed this one.
async function order(assignment, before, process, nonce, spawn) {
  const [chain, time] = ["Hash chain goes on from the one before", "Time is later than the one before"];
  if (assignment?.item === undefined) return [unchecked(chain, "no assignment"), unchecked(time, "no assignment")];
  const said = tag(assignment.item, "Hash-Chain");
  if (nonce === 0) {
    const fits = said === chainOfNone(process);
    const first = fits ? yes(chain, "it is the first one: SHA-256 of the process's id") : no(chain, `it says ${said}`);
    return [first, unchecked(time, "nothing comes before it")];
  }
  if (before === null) {
    const missing = "the assignment before is not here";
    return [unchecked(chain, missing), unchecked(time, missing)];
  }
  const wrong = await notBefore(before, process, nonce);
  if (wrong !== null) return [no(chain, wrong), no(time, wrong)];
  const [signer, earlierSigner] = [addressOf(assignment.item), addressOf(before.item)];
  if (signer !== earlierSigner) {
    const named = spawn?.item !== undefined && idOf(spawn.item) === process ? tagOfAny(spawn.item, "Scheduler") : null;
    const another = `${earlierSigner} signed the one before, ${signer} this one`;
    const verdict = named === null ? unchecked : no;
    if (named !== earlierSigner) return [verdict(chain, another), verdict(time, another)];
  }
  const wanted = chainAfter(before.item);
  const [earlier, now] = [before.item, assignment.item].map(timeOf);
  const shown = (item) => tag(item, "Timestamp") ?? "none";
  return [
    wanted === null ? no(chain, "the one before has no hash chain")
      : said === wanted ? yes(chain, said) : no(chain, `it says ${said}, the one before makes ${wanted}`),
    earlier !== null && now !== null && now > earlier ? yes(time, `${now - earlier} ms later`)
      : no(time, `${shown(before.item)}, then ${shown(assignment.item)}`),
  ];
}

// Why this is not the assignment before that nonce; null where it is.
async function notBefore({ item, fault }, process, nonce) {
  const misplaced = (reason) => `the assignment before is not what it should be: ${reason}`;
  if (item === undefined) return misplaced(fault);
  if (tag(item, "Process") !== process || tag(item, "Nonce") !== String(nonce - 1)) return misplaced("it is of another place");
  return await isSigned(item) ? null : misplaced("its signature is wrong");
}

const [SIGNED, SIGNER, NAMES] =
  ["Assignment's signature", "Signer is the process's Scheduler", "Assignment names this item and process"];

// Whether nothing is wrong, and it is settled that the process's own scheduler signed this item to this place: that is worth
// to be remembered, and nothing that anybody else can say.
export const isSettled = (lines) => lines.every(({ result }) => result !== "no")
  && [SIGNED, SIGNER, NAMES].every((name) => lines.some((line) => line.name === name && line.result === "yes"));

// All lines about an entry. Its parts are bytes, or null where they are not here.
export async function verifyEntry({ process, row, item, assignment, spawn, before }) {
  const [itemRead, assignmentRead, beforeRead] =
    [item, assignment, before].map((bytes) => (bytes === null ? null : read(bytes)));
  const spawnRead = spawn === null ? null : { ...read(spawn), process };
  const unshown = "it is not shown, or not as it was signed";
  const none = row.kind === "assigned" ? "this is on Arweave, and only its id is known here" : unshown;
  return [
    ids("Ids", itemRead, assignmentRead, row),
    await signature("Sender's signature", itemRead, none),
    await signature(SIGNED, assignmentRead, row.assignment === null ? "there is no assignment" : unshown),
    await scheduler(SIGNER, assignmentRead, spawnRead),
    names(NAMES, itemRead, assignmentRead, process, row),
    listed("The list tells what was signed", itemRead, assignmentRead, row),
    ...await order(assignmentRead, beforeRead, process, row.nonce, spawnRead),
  ];
}
