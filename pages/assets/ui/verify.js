// What can be verified of an entry of a schedule, each thing by itself. This page came from the node that is under test: for
// a verdict that does not depend on it the bytes can be saved and given to `quipu verify-item`.

import { base64url, fromBase64url, NoItem, parse, tag, tagOfAny } from "./item.js";
import { isSigned, sha256 } from "./signatures.js";

const line = (name, result, reason) => ({ name, result, reason });
const yes = (name, reason) => line(name, "yes", reason);
const no = (name, reason) => line(name, "no", reason);
const unchecked = (name, reason) => line(name, "not checked", reason);

export const idOf = (item) => base64url(sha256(item.signature));
const addressOf = (item) => base64url(sha256(item.owner));

// What the assignment after this one has to have as its chain.
function chainAfter(item) {
  return base64url(sha256(Uint8Array.of(...sha256(item.signature), ...fromBase64url(tag(item, "Hash-Chain") ?? ""))));
}
const chainOfNone = (process) => base64url(sha256(fromBase64url(process)));

// The item that bytes are, or why they are none.
function read(bytes) {
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

async function scheduler(name, assignment, spawn) {
  if (assignment?.item === undefined) return unchecked(name, "there is no assignment that can be read");
  if (spawn === null) return unchecked(name, "the item of the process is not here");
  if (spawn.item === undefined) return no(name, `the item of the process: ${spawn.fault}`);
  const { item, process } = spawn;
  if (idOf(item) !== process) return no(name, `the item of the process has the id ${idOf(item)}`);
  if (!(await isSigned(item))) return no(name, "the signature of the process is wrong");
  const [wanted, signer] = [tagOfAny(item, "Scheduler"), addressOf(assignment.item)];
  return wanted === signer ? yes(name, signer) : no(name, `the process names ${wanted ?? "none"}, ${signer} signed`);
}

function names(name, item, assignment, process, nonce) {
  if (assignment?.item === undefined) return unchecked(name, "there is no assignment that can be read");
  const said = (of) => tag(assignment.item, of);
  if (said("Process") !== process) return no(name, `it names the process ${said("Process")}`);
  if (said("Nonce") !== String(nonce)) return no(name, `it names the nonce ${said("Nonce")}`);
  if (item?.item === undefined) return unchecked(name, `process and nonce are right; it names ${said("Message") ?? "no item"}`);
  const id = idOf(item.item);
  if (id === process && said("Message") === undefined) return yes(name, "it is the process itself");
  return said("Message") === id ? yes(name, "process, nonce and item") : no(name, `it names the item ${said("Message")}`);
}

// Chain and time, by the assignment before.
async function order(assignment, before, process, nonce) {
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
  if (before.item === undefined || !(await isSigned(before.item)) || tag(before.item, "Nonce") !== String(nonce - 1)) {
    const wrong = "the assignment before is not what it should be";
    return [no(chain, wrong), no(time, wrong)];
  }
  const wanted = chainAfter(before.item);
  const [earlier, now] = [before.item, assignment.item].map((item) => Number(tag(item, "Timestamp")));
  return [
    said === wanted ? yes(chain, said) : no(chain, `it says ${said}, the one before makes ${wanted}`),
    now > earlier ? yes(time, `${now - earlier} ms later`) : no(time, `${earlier} ms, then ${now} ms`),
  ];
}

// All lines about an entry. Its parts are bytes, or null where they are not here.
export async function verifyEntry({ process, row, item, assignment, spawn, before }) {
  const [itemRead, assignmentRead, beforeRead] =
    [item, assignment, before].map((bytes) => (bytes === null ? null : read(bytes)));
  const spawnRead = spawn === null ? null : { ...read(spawn), process };
  const none = row.kind === "assigned" ? "this is on Arweave, and only its id is known here" : "its bytes are not here";
  return [
    ids("Ids", itemRead, assignmentRead, row),
    await signature("Sender's signature", itemRead, none),
    await signature("Assignment's signature", assignmentRead, "there is no assignment"),
    await scheduler("Signer is the process's Scheduler", assignmentRead, spawnRead),
    names("Assignment names this item and process", itemRead, assignmentRead, process, row.nonce),
    ...await order(assignmentRead, beforeRead, process, row.nonce),
  ];
}

// The assignments of a process, one after the other.
export class ChainWalk {
  constructor(process) {
    this.process = process;
    this.last = null;
    this.count = 0;
    this.gaps = 0;
  }

  // Takes the next one; says what is wrong with it, if anything is.
  async take({ nonce, bytes }) {
    const { item, fault } = read(fromBase64url(bytes));
    if (item === undefined) return fault;
    if (tag(item, "Process") !== this.process || tag(item, "Nonce") !== String(nonce)) return "it is of another place";
    if (!(await isSigned(item))) return "the signature is wrong";
    const [chain, time, signer] = [tag(item, "Hash-Chain"), Number(tag(item, "Timestamp")), addressOf(item)];
    const { last } = this;
    const follows = last === null ? nonce === 0 : nonce === last.nonce + 1;
    const wanted = last === null ? chainOfNone(this.process) : last.after;
    if (last !== null && nonce <= last.nonce) return "it does not come after the one before";
    if (last !== null && signer !== last.signer) return `${signer} signed it, and ${last.signer} the one before`;
    if (follows && chain !== wanted) return `its hash chain is ${chain}, the one before makes ${wanted}`;
    if (last !== null && !(time > last.time)) return "its time is not later than the one before";
    if (!follows) this.gaps += 1;
    this.last = { nonce, time, signer, after: chainAfter(item) };
    this.count += 1;
    return null;
  }
}
