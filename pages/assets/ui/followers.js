// Followers: what lags, who follows, what is stuck, and what helps.

import { el } from "./el.js";
import { ask as askFor, askChecks } from "./feed.js";
import { count, duration, many, size, UNKNOWN } from "./format.js";
import { act, turn } from "./operate.js";
import { facts, level, section, table } from "./parts.js";
import { written } from "./preferences.js";

export const name = "followers";
export const heading = "Followers";

// A node sends and looks for up to 20 seconds before it answers how far it came.
const SENDING = 30000;

// What a node without uploads answers is no failure.
const orNone = (told) => (told.code === undefined ? told : null);

export async function ask() {
  const [status, checks, followed, jobs, letters, stuck] = await Promise.all([
    askFor("status"), askChecks(), askFor("projections"), askFor("jobs"),
    askFor("uploads/dead-letters?limit=50", [200, 404]), askFor("uploads/stuck", [200, 404]),
  ]);
  return { status, checks, followed, jobs, letters: orNone(letters), stuck: orNone(stuck) };
}

// How far behind somebody is, in all ways that this can be said, and whether that gets more.
const BEHIND = [
  ["Behind", (of) => many(of.lag_events, "event"), "number"],
  ["Bytes behind", (of) => size(of.lag_bytes), "number"],
  ["Time behind", (of) => duration(of.lag_seconds), "number"],
  ["In the last minute", (of) => of.trend ?? UNKNOWN],
];

function leader(of) {
  if (!of) return null;
  const reason = of.reason ? `: ${of.reason}` : "";
  return section("leader", "Leader", facts([
    ["State", `${of.state} for ${duration(of.state_age_seconds)}${reason}`],
    ["Follows", of.from],
    ["Messages go to", of.url ?? UNKNOWN],
    ...BEHIND.map(([name, shown]) => [name, shown(of)]),
    ["Last heard of", of.heartbeat_age_seconds === null ? UNKNOWN : `${duration(of.heartbeat_age_seconds)} ago`],
    ["Term", of.term === null ? UNKNOWN : String(of.term)],
    ["Signatures", of.verified ? "all verified" : "being verified since it began with a checkpoint"],
  ]));
}

function gate(of) {
  if (!of) return null;
  return section("gate", "Gate", facts([
    ["Engine", of.kind],
    ["Copies", of.single_copy ? "one, as GATE_SINGLE_COPY accepts" : "its own"],
    ["Takes what is written", of.reason === null ? "yes"
      : `no${of.away_seconds === null ? "" : `, for ${duration(of.away_seconds)}`}: ${of.reason}`],
    ["The oldest message waits", of.waiting_seconds === null ? "none does" : duration(of.waiting_seconds)],
  ]));
}

function standbys(followers) {
  return section("standbys", "Standbys", table("Standbys", [
    ["Node", (follower) => follower.node],
    ...BEHIND,
    ["Sent", (follower) => many(follower.events, "event"), "number"],
    ["Connected for", (follower) => duration(follower.connected_seconds), "number"],
  ], followers, "No node follows this one at the moment."));
}

function replay(projection) {
  if (projection.job !== null) return `job ${projection.job} is at it`;
  if (!projection.can_replay) return "cannot be replayed";
  return act(`Replay ${projection.name}`, "jobs", () => ({ projection: projection.name }), (job) => `job ${job.id} has begun`);
}

function projections(told) {
  const standing = { following: "ok", waiting: "warn", failing: "fail", needs_rebuild: "fail" };
  const without = ["index", "uploads", "postgres"].filter((name) => !told.followed.some((of) => of.name === name));
  return section("projections", "What follows the log", table("Projections", [
    ["Name", (of) => of.name],
    ["Standing", (of) => [level(standing[of.standing] ?? "warn"), ` ${of.standing}`]],
    ...BEHIND,
    ["Error", (of) => of.error ?? "none"],
    ["Replay", replay],
  ], told.followed, "Nothing follows the log."), facts([
    ["Not in use", without.length > 0 ? without.join(", ") : undefined],
  ]));
}

function jobAction(job) {
  if (job.state === "running") return act(`Cancel job ${job.id}`, `jobs/${job.id}/cancel`, undefined, () => "it ends soon");
  if (job.state === "done") return "none";
  return act(`Resume job ${job.id}`, `jobs/${job.id}/resume`, undefined, () => "it goes on");
}

function jobs(list) {
  return section("jobs", "Replays", table("Replays, the newest first", [
    ["Job", (job) => job.id, "number"],
    ["Projection", (job) => job.projection],
    ["State", (job) => `${job.state}${job.reason ? `: ${job.reason}` : ""}`],
    ["Done", (job) => `${count(job.done)} of ${count(job.total)}`, "number"],
    ["Started", (job) => el("time", { "data-ms": job.started_ms }, written(job.started_ms))],
    ["Took", (job) => duration(job.took_ms / 1000), "number"],
    ["Change", jobAction],
  ], list.slice(0, 20), "There was no replay."));
}

// So much of what is missing is listed; all of it is counted.
const MISSING = 100;

// What is asked for process by process and what was found of it: made once, so that nothing of it is gone when the rest is
// shown anew.
let reuploading = null;
function reupload() {
  reuploading ??= makeReupload();
  return reuploading;
}

function makeReupload() {
  const field = el("input", { id: "reupload-process", autocomplete: "off", spellcheck: "false", maxlength: "43" });
  const list = el("div", { id: "missing" });
  // What was found, and where it goes on, of one process and either kind.
  let found = null;
  // What was not looked at to its end goes on where it was.
  const begin = (dry) => () => {
    const process = field.value.trim();
    if (found === null || found.next === null || found.process !== process || found.dry !== dry) {
      found = { process, dry, next: null, events: 0, missing: 0, listed: [] };
      list.replaceChildren();
    }
    return { process, dry_run: dry, ...found.next === null ? {} : { from: found.next } };
  };
  // One call looks at some hundred events, and says where to go on.
  const told = (answer) => {
    found.next = answer.done ? null : answer.next;
    found.events += answer.events;
    found.missing += answer.missing.length;
    found.listed.push(...answer.missing.slice(0, MISSING - found.listed.length));
    list.replaceChildren(...(found.missing === 0 ? [] : missingOf(found)));
    const left = answer.done ? "" : `; there is more from nonce ${answer.next ?? "none"} on`;
    return `${many(found.events, "event")} looked at, ${count(found.missing)} missing${left}${answer.ended ? `; it ended early: ${answer.ended}` : ""}`;
  };
  const isMore = (answer, asked) => !answer.done && !answer.ended && answer.next !== null && answer.next > (asked.from ?? -1);
  const more = (answer, asked) => (isMore(answer, asked) ? { ...asked, from: answer.next } : undefined);
  const options = { patience: SENDING, more, turns: turn() };
  return el("div", {}, el("label", { for: "reupload-process" }, "Process of which all that has not arrived is to be found"), field,
    el("p", { class: "actions" }, act("Show what is missing", "uploads/reupload", begin(true), told, { ...options, isSafe: true }),
      act("Send what is missing", "uploads/reupload", begin(false), told, options)), list);
}

function missingOf(found) {
  return [table("What is missing", [
    ["Nonce", (of) => of.nonce ?? "none", "number"],
    ["Part", (of) => of.part],
    ["Id", (of) => of.id],
    ["What became of it", (of) => `${of.outcome}${of.reason ? `: ${of.reason}` : ""}`],
  ], found.listed, ""), found.missing > found.listed.length ? el("p", {}, `Of ${count(found.missing)} the first ${MISSING} are shown.`) : ""];
}

function uploads(told) {
  const { letters, stuck, status } = told;
  if (letters === null) return section("uploads", "Uploads", el("p", {}, "This node does not upload."));
  const retried = (told) => `${count(told.sent)} taken, ${count(told.refused)} refused again${told.ended ? `; it ended early: ${told.ended}` : ""}`;
  return section("uploads", "Uploads", facts([
    ["To upload", status.uploads ? many(status.uploads.backlog, "event") : UNKNOWN],
    ["Refused for good", status.uploads ? many(status.uploads.dead_letters, "item") : UNKNOWN],
    ["Stuck", stuck === null ? UNKNOWN : many(stuck.events, "event")],
  ]), el("h3", {}, "Refused for good"), table("Refused for good", [
    ["Process", (letter) => letter.process],
    ["Nonce", (letter) => letter.nonce ?? "none", "number"],
    ["Part", (letter) => letter.part],
    ["Status", (letter) => letter.status, "number"],
    ["Reason", (letter) => letter.reason],
    ["When", (letter) => el("time", { "data-ms": letter.refused_ms }, written(letter.refused_ms))],
  ], letters.dead_letters, "Nothing was refused."),
  letters.next === null ? null : el("p", {}, "There are more than these."),
  letters.dead_letters.length === 0 ? null : el("p", { class: "actions" }, act("Send all again", "uploads/dead-letters/retry", undefined, retried, { patience: SENDING })),
  el("h3", {}, "Stuck"), table("Stuck processes", [
    ["Process", (of) => of.process],
    ["From nonce", (of) => of.nonce ?? "none", "number"],
    ["Event", (of) => count(of.sequence), "number"],
  ], stuck?.processes ?? [], "No process is stuck."), el("h3", {}, "What has not arrived"), reupload());
}

export const parts = (told) => [projections(told), leader(told.status.leader), standbys(told.status.followers),
  gate(told.status.gate), uploads(told), jobs(told.jobs)];
