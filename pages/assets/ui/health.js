// Health: is it well, since when not, why, and how fast is it?

import { chart } from "./chart.js";
import { el } from "./el.js";
import { ask as askFor, checksIn } from "./feed.js";
import { count, duration, many, UNKNOWN } from "./format.js";
import { checks, facts, section } from "./parts.js";

export const name = "health";
export const heading = "Health";

// Minutes do not change more often.
const MINUTES_KEPT = 60000;
let minutes = null, at = 0;

// All of it in one answer: a page is there the sooner the less often it asks. What a run before told of its minutes is not
// that of the run that answers.
export async function ask() {
  const isOld = minutes === null || minutes.at_ms.length < 5 || Date.now() - at > MINUTES_KEPT;
  let told = await askFor(`overview${isOld ? "?minutes=true" : ""}`);
  const isAnother = !isOld && Date.now() - told.status.uptime_seconds * 1000 > at;
  if (isAnother) told = await askFor("overview?minutes=true");
  const checks = checksIn(told);
  if (isOld || isAnother) [minutes, at] = [told.minutes, Date.now()];
  return { status: told.status, checks, moments: told.moments, day: minutes };
}

const rate = (value) => `${value < 10 ? value.toFixed(1) : count(Math.round(value))} a second`;
export function time(seconds) {
  if (seconds === null || seconds === undefined) return "nothing came";
  return seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms` : duration(seconds);
}

function node(status) {
  const { height, processes } = status;
  const events = status.tail === null ? 0 : status.tail + 1;
  return section("node", "Node", facts([
    ["Role", status.role],
    ["Messages", status.writes_refused ?? "are taken"],
    ["Processes", processes ? `${count(processes.count)}, counted ${duration(processes.age_seconds)} ago` : "not counted yet"],
    ["Events on disk", count(events)],
    ["Term", String(status.term)],
    ["Store", status.store],
    ["Wallet", status.address],
    ["Block height", height ? `${count(height.number)}, told ${duration(height.age_seconds)} ago` : UNKNOWN],
    ["Running for", duration(status.uptime_seconds)],
    ["Version", status.version],
  ]));
}

function now(moments) {
  if (moments === null) return section("now", "Now", el("p", {}, "This node counts nothing."));
  if (moments.at_ms.length === 0) return section("now", "Now", el("p", {}, "It is counted every five seconds, and was not yet."));
  const last = (list) => list.at(-1);
  const per = (list) => rate(last(list) / last(moments.seconds));
  const both = (of) => `half within ${time(last(moments[`${of}_p50`]))}, 99 % within ${time(last(moments[`${of}_p99`]))}`;
  const quick = (of) => (last(moments[`${of}_p50`]) === null ? "nothing came" : both(of));
  const refused = moments.refused_by_code.filter((code) => last(code.counts) > 0)
    .map((code) => `${code.code}: ${count(last(code.counts))}`).join(", ");
  return section("now", "In the last five seconds", facts([
    ["Scheduled", per(moments.scheduled)],
    ["Refused", last(moments.refused) === 0 ? "nothing" : `${per(moments.refused)} (${refused})`],
    ["Answers", quick("answer")],
    ["Signatures", quick("sign")],
    ["Synced writes", quick("sync")],
    ["Waiting for an answer", last(moments.waiting) === null ? "nothing is scheduled here" : many(last(moments.waiting), "request")],
    ["Calls", per(moments.requests)],
  ]));
}

function day(told) {
  if (told === null) return null;
  if (told.at_ms.length === 0) return section("day", "In the last 24 hours", el("p", {}, "Nothing is counted yet."));
  const per = (list) => list.map((value, index) => value / Math.max(1, told.seconds[index]));
  const charts = [
    chart("Scheduled", told.at_ms, per(told.scheduled), rate),
    chart("Refused", told.at_ms, per(told.refused), rate),
    chart("Answers, 99 %", told.at_ms, told.answer_p99, time),
    chart("Answers, half", told.at_ms, told.answer_p50, time),
    chart("Synced writes, 99 %", told.at_ms, told.sync_p99, time),
    chart("Signatures, 99 %", told.at_ms, told.sign_p99, time),
    chart("Waiting", told.at_ms, told.waiting, (value) => many(value, "request")),
    chart("Calls", told.at_ms, per(told.requests), rate),
    chart("To upload", told.at_ms, told.upload_backlog, (value) => many(value, "event")),
    ...told.projections.map((of) => chart(`Behind: ${of.name}`, told.at_ms, of.lag_events, (value) => many(value, "event"))),
    chart("Behind: followers", told.at_ms, told.follower_lag_events, (value) => many(value, "event")),
  ];
  return section("day", "In the last 24 hours", el("p", { class: "quiet" }, "By the minute, since the node started."),
    el("div", { class: "charts" }, charts));
}

export const parts = (told) => [section("checks", "Checks", checks(told.checks)), node(told.status), now(told.moments), day(told.day)];
