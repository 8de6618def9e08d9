// Walks along the whole chain of a process before the eyes of whoever asked for it: it says how far it is, waits while nobody
// sees it, and stops when it is told to.

import { bytes, links, NotHere, rows } from "./calls.js";
import { el, plain } from "./el.js";
import { loaded } from "./feed.js";
import { many } from "./format.js";
import { remember } from "./memory.js";
import { failure } from "./shown.js";

const LINKS = 200;
// After how many assignments it says how far it is.
const STEP = 20;
const LEVELS = { yes: "ok", no: "fail" };

// Until the page is seen, or the signal says that it is enough.
function untilSeen(signal) {
  if (document.visibilityState === "visible" || signal.aborted) return undefined;
  return new Promise((resolve) => {
    const look = () => (document.visibilityState === "visible" || signal.aborted) && resolve();
    document.addEventListener("visibilitychange", look, { signal });
    signal.addEventListener("abort", look);
  });
}

// What was asked for; null where that was given up.
async function unlessStopped(asked, signal) {
  try {
    return await asked;
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}

// The bytes of the process itself; null where they are not here.
async function spawnOf(process, signal) {
  try {
    return await bytes(process, "item", process, signal);
  } catch (error) {
    if (error instanceof NotHere) return null;
    throw error;
  }
}

// Verifies all assignments from the first one on; what that shows, and the last one where it is worth to be remembered.
// `told` is the newest nonce that is known of.
async function verifyChain(process, told, say, signal) {
  const { ChainWalk } = await loaded(import("./chain.js"));
  const walk = new ChainWalk(process);
  const newest = Math.max(told ?? -1, (await rows(process, null, 0, signal)).newest ?? -1);
  for (let after = null; ;) {
    await untilSeen(signal);
    if (signal.aborted) break;
    const page = await unlessStopped(links(process, after, LINKS, signal), signal);
    for (const link of page?.links ?? []) {
      await untilSeen(signal);
      if (signal.aborted) break;
      const fault = await walk.take(link);
      if (fault !== null) return { result: "no", reason: `At nonce ${link.nonce}: ${fault}` };
      if (walk.count % STEP === 0) {
        say(`${many(walk.count, "assignment")} verified so far…`);
        await new Promise((resolve) => setTimeout(resolve));
      }
    }
    after = page?.next ?? null;
    if (after === null) break;
  }
  if (signal.aborted) return { result: "not checked", reason: `stopped after ${many(walk.count, "assignment")}, of which none is wrong` };
  const found = await walk.verdict(newest < 0 ? null : newest, await spawnOf(process, signal));
  return { ...found, last: found.result === "yes" ? walk.last.raw : null };
}

// A button that begins, one that stops, and what came of it. `told` is the newest nonce that is known of, and `differs`
// whether this is not what was seen before: nothing is remembered then. The signal is that of the screen.
export function wholeChain(process, told, differs, screen) {
  const said = el("p", { id: "chain-said", role: "status", "aria-live": "polite" });
  const begin = el("button", { type: "button", "data-verify": true }, "Verify the whole chain");
  const stop = el("button", { type: "button", id: "stop", hidden: true }, "Stop");
  const say = (...words) => said.replaceChildren(...words);
  let isWalking = false;
  begin.addEventListener("click", async () => {
    if (isWalking) return;
    const stopped = new AbortController();
    stop.addEventListener("click", () => stopped.abort(), { signal: screen, once: true });
    // Whoever pressed it stays at it.
    [isWalking, stop.hidden] = [true, false];
    begin.setAttribute("aria-disabled", "true");
    try {
      const { result, reason, last } = await verifyChain(process, told, say, AbortSignal.any([screen, stopped.signal]));
      const unlike = last && !differs ? await remember(process, last) : null;
      say(el("span", { class: `level ${LEVELS[result] ?? "warn"}` }, result), plain(` ${reason}.`), unlike === null ? "" : ` ${unlike.text}`);
    } catch (error) {
      say(failure(error));
    }
    if (document.activeElement === stop) begin.focus();
    [isWalking, stop.hidden] = [false, true];
    begin.removeAttribute("aria-disabled");
  });
  return [el("p", { class: "actions" }, begin, stop), said];
}
