// The page of a router: the schedulers that it knows, what each of them does, and what is wrong.

import { ask } from "./feed.js";
import { count, duration, many, UNKNOWN } from "./format.js";
import { operate } from "./operate.js";
import { checks, facts, level, section, table } from "./parts.js";

async function askAll() {
  const [status, found] = await Promise.all([ask("status"), ask("checks", [200, 503])]);
  return { status, checks: found.checks };
}

function router(status) {
  return section("router", "Router", facts([
    ["New processes", status.writes_refused ?? "are placed"],
    ["Calls are", { auto: "redirected when they read, passed on when they post", redirect: "redirected", forward: "passed on" }[status.mode] ?? status.mode],
    ["Leaders that are gone", status.failover ? "are replaced" : "wait for an operator"],
    ["What it knows is kept in", status.state],
    ["Processes in memory", count(status.processes_remembered)],
    ["Running for", duration(status.uptime_seconds)],
    ["Version", status.version],
  ]));
}

// How a scheduler does, in a word.
function standing(one) {
  const leads = one.leader === one.url;
  if (!one.reached) return [level(leads ? "fail" : "warn"), " away"];
  if (!one.open) return [level(leads ? "warn" : "ok"), leads ? " refuses" : " is read"];
  return [level("ok"), " takes messages"];
}

function gets(one) {
  if (one.retired) return "none: retired";
  if (one.leader !== one.url) return `none: ${one.leader} leads`;
  const wallets = many(one.wallets_to_route.length, "wallet");
  if (one.no_route || one.wallets_only) return one.wallets_to_route.length === 0 ? "none" : `those of ${wallets}`;
  return one.wallets_to_route.length === 0 ? "any" : `any, and those of ${wallets} first`;
}

function lag(one) {
  if (one.lag_events !== null) return many(one.lag_events, "event");
  return one.role === "standby" ? UNKNOWN : "nothing";
}

function schedulers(status) {
  return section("schedulers", "Schedulers", table("Schedulers", [
    ["Scheduler", (one) => one.url],
    ["Standing", standing],
    ["Role", (one) => one.role ?? UNKNOWN],
    ["Processes", (one) => count(one.processes), "number"],
    ["New processes", gets],
    ["Term led", (one) => (one.term === 0 ? "none" : String(one.term)), "number"],
    ["Store", (one) => one.store ?? UNKNOWN],
    ["Behind", lag, "number"],
    ["Failing checks", (one) => (one.version === null ? UNKNOWN : one.failing.join(", ") || "none")],
    ["Trouble", (one) => one.trouble ?? "none"],
  ], status.schedulers, "This router knows of no scheduler."));
}

operate({
  ask: askAll,
  title: () => "router: {verdict} - Quipu router",
  parts: (told) => [section("checks", "Checks", checks(told.checks)), router(told.status), schedulers(told.status)],
});
