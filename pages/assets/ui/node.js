// The page of a node: what it is, how it is, who follows it and how far what is derived has come.

import { ask } from "./feed.js";
import { operate } from "./operate.js";
import { count, duration, many, UNKNOWN } from "./format.js";
import { checks, facts, level, section, table } from "./parts.js";

async function askAll() {
  const [status, found] = await Promise.all([ask("status"), ask("checks", [200, 503])]);
  return { status, checks: found.checks };
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

function leader(status) {
  const of = status.leader;
  if (!of) return null;
  const reason = of.reason ? `: ${of.reason}` : "";
  return section("leader", "Leader", facts([
    ["State", `${of.state} for ${duration(of.state_age_seconds)}${reason}`],
    ["Follows", of.from],
    ["Messages go to", of.url ?? UNKNOWN],
    ["Behind", `${count(of.lag_events)} events, ${duration(of.lag_seconds)}`],
    ["Last heard of", of.heartbeat_age_seconds === null ? UNKNOWN : `${duration(of.heartbeat_age_seconds)} ago`],
    ["Term", of.term === null ? UNKNOWN : String(of.term)],
    ["Signatures", of.verified ? "all verified" : "being verified since it began with a checkpoint"],
  ]));
}

function standbys(status) {
  return section("standbys", "Standbys", table("Standbys", [
    ["Node", (follower) => follower.node],
    ["Behind", (follower) => many(follower.lag_events, "event"), "number"],
    ["Has", (follower) => many(follower.events, "event"), "number"],
    ["Connected for", (follower) => duration(follower.connected_seconds), "number"],
  ], status.followers, "No node follows this one at the moment."));
}

function projections(status) {
  const standing = { following: "ok", waiting: "warn", failing: "fail", needs_rebuild: "fail" };
  const found = status.projections;
  const names = ["index", "uploads", "postgres"];
  const without = names.filter((name) => !found.some((projection) => projection.name === name));
  const { uploads } = status;
  return section("projections", "What follows the log", table("Projections", [
    ["Name", (projection) => projection.name],
    ["Standing", (projection) => [level(standing[projection.standing] ?? "warn"), ` ${projection.standing}`]],
    ["Behind", (projection) => many(projection.lag_events, "event"), "number"],
    ["Time behind", (projection) => duration(projection.lag_seconds), "number"],
    ["Error", (projection) => projection.error ?? "none"],
  ], found, "Nothing follows the log."), facts([
    ["To upload", uploads ? many(uploads.backlog, "event") : undefined],
    ["Refused for good", uploads ? many(uploads.dead_letters, "item") : undefined],
    ["Not in use", without.length > 0 ? without.join(", ") : undefined],
  ]));
}

operate({
  ask: askAll,
  title: (told) => `${told.status.role}: {verdict} - Quipu node`,
  parts: (told) => [section("checks", "Checks", checks(told.checks)), node(told.status), leader(told.status),
    standbys(told.status), projections(told.status)],
});
