// What this browser verified of a process last. Whoever rewrites what was signed is found out by it, so that it is kept until
// somebody says that it is to be forgotten: what differs from it never takes its place.

import { links, NotHere } from "./calls.js";
import { el } from "./el.js";
import { base64url, fromBase64url, NoItem, parse, tag } from "./item.js";
import { forget, keep, kept } from "./preferences.js";
import { alarm } from "./shown.js";

const key = (process) => `seen.${process}`;

function seen(process) {
  try {
    const { nonce, chain, signature } = JSON.parse(kept(key(process)));
    return Number.isSafeInteger(nonce) && typeof chain === "string" && typeof signature === "string" ? { nonce, chain, signature } : null;
  } catch {
    return null;
  }
}

// Of an assignment, what is kept of it.
function memoryOf(assignment) {
  const item = parse(assignment);
  return { nonce: Number(tag(item, "Nonce")), chain: tag(item, "Hash-Chain"), signature: base64url(item.signature.subarray(0, 64)) };
}

const isSame = (one, other) => one.nonce === other.nonce && one.chain === other.chain && one.signature === other.signature;
const another = (nonce) => `This browser verified another assignment at nonce ${nonce} before. The history was rewritten.`;

// What this browser verified otherwise before than the node tells now; none when they agree or it never did.
export async function memoryDiffers(process, signal) {
  const last = seen(process);
  if (last === null) return null;
  const gone = `This browser verified nonce ${last.nonce} before, and it is gone. The history was rewritten, or this is another scheduler.`;
  let link;
  try {
    [link] = (await links(process, last.nonce === 0 ? null : last.nonce - 1, 1, signal)).links;
  } catch (error) {
    if (!(error instanceof NotHere)) throw error;
  }
  if (link === undefined || link.nonce !== last.nonce) return gone;
  try {
    return isSame(memoryOf(fromBase64url(link.bytes)), last) ? null : another(last.nonce);
  } catch (error) {
    if (!(error instanceof NoItem)) throw error;
    return `This browser verified an assignment at nonce ${last.nonce} before, and it cannot be read now: ${error.message}.`;
  }
}

const UNKEPT = "This browser keeps nothing for this page: what was verified is forgotten when it is closed.";

// Keeps what was verified, unless something later was before; where what is kept is not what the node tells, it stays. What is
// to be said of that, if anything is: what differs, which is wrong, or that it is not kept.
export async function remember(process, assignment) {
  const differs = await memoryDiffers(process);
  if (differs !== null) return { text: differs, isWrong: true };
  const [last, now] = [seen(process), memoryOf(assignment)];
  if (last !== null && last.nonce === now.nonce && !isSame(last, now)) return { text: another(last.nonce), isWrong: true };
  if (last !== null && last.nonce >= now.nonce) return null;
  return keep(key(process), JSON.stringify(now)) ? null : { text: UNKEPT, isWrong: false };
}

// What differs from what is remembered, and how that is forgotten: by a button that is pressed twice.
export function memoryAlarm(process, differs, again) {
  const label = "Forget what this browser verified of this process";
  const button = el("button", { type: "button", id: "forget" }, label);
  button.addEventListener("blur", () => {
    delete button.dataset.sure;
    button.textContent = label;
  });
  button.addEventListener("click", () => {
    if (button.dataset.sure === undefined) {
      button.dataset.sure = "";
      button.textContent = `${label}: sure?`;
      return;
    }
    forget(key(process));
    again();
  });
  return [alarm(differs, "remembered"), el("p", { class: "actions" }, button)];
}
