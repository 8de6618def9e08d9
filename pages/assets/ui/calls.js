// The calls that schedules are looked at with. No answer, and nothing there, are two things.

import { ask, HOME, NoAnswer } from "./feed.js";

const CALLS = "explore/v1";
const PATIENCE = 60000;

// What the node says is not there.
export class NotHere extends Error {}

async function told(path) {
  const answer = await ask(path, [200, 404]);
  if (answer.code === "not_found") throw new NotHere(answer.error);
  return answer;
}

export const whatIs = (id) => told(`${CALLS}/ids/${id}`);

// Rows of a process, the newest first: all before this nonce, if one is given.
export function rows(process, before, limit) {
  const from = before === null ? "" : `&before=${before}`;
  return told(`${CALLS}/processes/${process}?limit=${limit}${from}`);
}

// The assignments after this nonce; null stands for the start.
export function links(process, after, limit) {
  const from = after === null ? "" : `&after=${after}`;
  return told(`${CALLS}/processes/${process}/chain?limit=${limit}${from}`);
}

// Where the exact bytes of an item or an assignment are.
export function bytesAt(id, part, process) {
  return `${HOME}${CALLS}/items/${id}/bytes?part=${part}&process-id=${process}`;
}

export async function bytes(id, part, process) {
  let answer, body;
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    answer = await fetch(bytesAt(id, part, process), { signal, cache: "no-store", credentials: "omit", redirect: "error" });
    body = new Uint8Array(await answer.arrayBuffer());
  } catch (error) {
    throw new NoAnswer(error.name === "TimeoutError" ? "it does not answer in time" : "it is not reached");
  }
  if (answer.status === 404) throw new NotHere("these bytes are not here");
  if (answer.status !== 200) throw new NoAnswer(`it answers ${answer.status} instead of bytes`);
  return body;
}

export const scheduler = () => ask("");
export const clock = () => ask("timestamp", [200, 503]);
