// What a listener tells, asked again and again while somebody looks. A failure is told as one, and what was told before stays
// beside it: no answer is not an empty answer.

import { plain } from "./el.js";

// A page is in a folder below the calls, wherever a proxy has put either.
export const HOME = new URL("..", document.baseURI).href;

const EVERY = 5000;
const PATIENCE = 10000;
// What somebody between says of who does not answer, or who does not answer yet.
const AWAY = [502, 503, 504];
// No JSON of a listener is longer.
const LONGEST = 32 << 20;

// Why there is no answer; `needsToken` where the listener asks for its token.
export class NoAnswer extends Error {
  // `isAway` where nothing was heard of it at all, by the page or by whoever is between.
  constructor(reason, needsToken = false, isAway = false) {
    super(reason);
    [this.needsToken, this.isAway] = [needsToken, isAway];
  }
}

// Whoever answers something else than a scheduler does is there.
const isAway = (status, told) => AWAY.includes(status) && told?.code !== "gateway_error";

// A module that is fetched when it is needed: a node that is gone by then is no fault of the page.
export async function loaded(coming) {
  try {
    return await coming;
  } catch (error) {
    throw new NoAnswer(`the code for this did not come: ${error.message}`);
  }
}

// Kept in memory alone: it is gone with the page.
let token = "";
export function useToken(given) {
  token = given;
}
export const hasToken = () => token !== "";

// The JSON that a call answers, with one of these statuses. The signal gives it up.
export const ask = (path, statuses = [200], signal = undefined) => call(path, { signal }, statuses);

// What a node, or a router, finds when it looks at itself.
export const askChecks = async () => checksIn(await ask("checks", [200, 503]));

// The checks in an answer. One without any is none: nobody is well who does not say so.
export function checksIn(told) {
  if (!Array.isArray(told?.checks) || told.checks.length === 0) throw new NoAnswer(plain(told?.error ?? "it tells no checks"));
  return told.checks;
}

// The JSON that a call answers which changes something; it may take so long.
export function change(path, body, patience = PATIENCE) {
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  const options = { method: "POST", body: body === undefined ? undefined : JSON.stringify(body), headers: type };
  return call(path, options, [200, 201, 202], patience);
}

// What a call answers, and its body of at most so many bytes: whoever is asked may send without an end.
export async function fetched(path, options, patience, longest) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const enough = new AbortController();
  const signal = AbortSignal.any([enough.signal, AbortSignal.timeout(patience), options.signal].filter((one) => one !== undefined));
  try {
    const answer = await fetch(`${HOME}${path}`, { ...options, headers, signal, cache: "no-store", credentials: "omit", redirect: "error" });
    const [parts, reader] = [[], answer.body?.getReader()];
    for (let length = 0; reader !== undefined;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > longest) throw new NoAnswer(`it answers more than ${longest >> 20} MiB`);
      parts.push(value);
    }
    return { status: answer.status, body: new Uint8Array(await new Blob(parts).arrayBuffer()) };
  } catch (error) {
    enough.abort();
    if (error instanceof NoAnswer) throw error;
    throw new NoAnswer(error.name === "TimeoutError" ? "it does not answer in time" : "it is not reached", false, true);
  }
}

async function call(path, options, statuses, patience = PATIENCE) {
  const answer = await fetched(path, options, patience, LONGEST);
  let told;
  try {
    told = JSON.parse(new TextDecoder().decode(answer.body));
  } catch {
    throw new NoAnswer(`${path || "it"} answers ${answer.status} with something that is not understood`, false, isAway(answer.status));
  }
  if (!statuses.includes(answer.status)) {
    throw new NoAnswer(told?.error ?? `${path} answers ${answer.status}`, answer.status === 401, isAway(answer.status, told));
  }
  return told;
}

// Calls `ask` now and then while the page is seen, and shows what came: the last good answer with its time, and what is
// wrong since then, if anything is. What cannot be shown is wrong, too, and no end. It ends with the signal. Returns what asks
// at once, which is done first unless there is something already that was told.
export function follow(askAll, show, { every = EVERY, isTold = false, signal = new AbortController().signal } = {}) {
  let last = null, at = null, failure = null, timer = null, asking = false, again = false;
  const round = async () => {
    if (signal.aborted) return;
    if (asking) {
      // What it asks for may be another thing by now.
      again = true;
      return;
    }
    asking = true;
    clearTimeout(timer);
    try {
      const told = await askAll();
      if (signal.aborted) return;
      const now = Date.now();
      show(told, now, null);
      [last, at, failure] = [told, now, null];
    } catch (error) {
      if (signal.aborted) return;
      failure = error instanceof NoAnswer ? error : new NoAnswer(`this page has a fault: ${error.message}`);
      show(last, at, failure);
    } finally {
      asking = false;
    }
    if (again) {
      again = false;
      return round();
    }
    next();
  };
  const next = () => {
    if (document.visibilityState === "visible" && !failure?.needsToken) timer = setTimeout(round, every);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") round();
    else clearTimeout(timer);
  }, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  if (isTold) next();
  else round();
  return round;
}
