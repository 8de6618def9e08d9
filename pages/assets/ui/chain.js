// The whole chain of a process, verified assignment by assignment, and what that says of the process in the end.

import { fromBase64url, tag } from "./item.js";
import { isSigned } from "./signatures.js";
import { addressOf, chainAfter, chainOfNone, read, scheduler, timeOf } from "./verify.js";

const verdict = (result, reason) => ({ result, reason });

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
    const raw = fromBase64url(bytes);
    const { item, fault } = read(raw);
    if (item === undefined) return fault;
    if (tag(item, "Process") !== this.process || tag(item, "Nonce") !== String(nonce)) return "it is of another place";
    if (!(await isSigned(item))) return "the signature is wrong";
    const [chain, time, signer, after] = [tag(item, "Hash-Chain"), timeOf(item), addressOf(item), chainAfter(item)];
    const { last } = this;
    const follows = last === null ? nonce === 0 : nonce === last.nonce + 1;
    const wanted = last === null ? chainOfNone(this.process) : last.after;
    if (last !== null && nonce <= last.nonce) return "it does not come after the one before";
    if (last !== null && signer !== last.signer) return `${signer} signed it, and ${last.signer} the one before`;
    if (after === null) return "it has no hash chain";
    if (follows && chain !== wanted) return `its hash chain is ${chain}, the one before makes ${wanted}`;
    if (time === null) return "it has no time";
    if (last !== null && time <= last.time) return "its time is not later than the one before";
    if (!follows) this.gaps += 1;
    this.last = { nonce, time, signer, after, raw };
    this.count += 1;
    return null;
  }

  // What all of it together shows, where `newest` is the nonce that the scheduler tells of, and `spawn` are the bytes of the
  // process, if they are here. Yes is said of what is whole alone: all from nonce 0 to the newest, by the process's Scheduler.
  async verdict(newest, spawn) {
    const { last } = this;
    if (last === null && newest === null) return verdict("not checked", "there is no assignment");
    if (last === null || last.nonce < newest) {
      return verdict("no", `it ends ${last === null ? "before any nonce" : `at nonce ${last.nonce}`}, and nonce ${newest} is told of`);
    }
    const process = spawn === null ? null : { ...read(spawn), process: this.process };
    const signer = await scheduler("", read(last.raw), process);
    if (signer.result === "no") return verdict("no", signer.reason);
    const right = `${this.count} assignment${this.count === 1 ? "" : "s"} up to nonce ${last.nonce}: signatures`;
    if (this.gaps > 0) {
      const gaps = `${this.gaps} gap${this.gaps === 1 ? "" : "s"} in the nonces`;
      return verdict("not checked", `${right} and rising time are right, but nobody can say what was in ${gaps}`);
    }
    if (signer.result !== "yes") return verdict("not checked", `${right}, rising time and hash chain are right, but not who signed: ${signer.reason}`);
    return verdict("yes", `${right}, rising time and hash chain are right, all by the process's Scheduler`);
  }
}
