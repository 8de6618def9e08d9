// The page of a router: which schedulers keep a log together and who leads it, where new processes go, and what is wrong.

import { ask, askChecks } from "./feed.js";
import { count, duration, many, UNKNOWN } from "./format.js";
import { operate } from "./operate.js";
import { checks, facts, level, section, table } from "./parts.js";

async function askAll() {
  const [status, checks] = await Promise.all([ask("status"), askChecks()]);
  return { status, checks };
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

// What is wrong with it: whoever is only read does not take messages, and is well.
function trouble(one) {
  const isWell = one.reached && (one.open || one.leader !== one.url);
  return isWell ? "none" : one.trouble ?? "none";
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

// Those that keep one log, in order: a scheduler that has not told its store is alone.
function logs(status) {
  const found = new Map();
  for (const one of status.schedulers) {
    const store = one.store ?? one.url;
    found.set(store, [...found.get(store) ?? [], one]);
  }
  return [...found.values()];
}

function leaderOf(members) {
  const leads = members.find((one) => one.leader === one.url);
  if (leads === undefined) return [level("fail"), " nobody"];
  return [level(leads.reached && leads.open ? "ok" : "fail"), ` ${leads.url}`];
}

// What calls to these processes wait for, if they do.
function waitsFor(members, status) {
  const leads = members.find((one) => one.leader === one.url);
  if (leads === undefined) return "a scheduler that leads this log to be seen";
  if (leads.reached && leads.open) return "nothing";
  const why = leads.trouble ? ` (${leads.trouble})` : "";
  const others = members.filter((one) => one !== leads && one.reached);
  if (!leads.reached && status.failover && others.length > 0) return `one of ${others.map((one) => one.url).join(", ")} to take over${why}`;
  return leads.reached ? `the leader to take messages${why}` : `the leader to come back, or an operator: quipu promote${why}`;
}

function groups(status) {
  return section("logs", "Logs, and who leads them", table("Logs", [
    ["Store", (members) => members[0].store ?? UNKNOWN],
    ["Leader", leaderOf, "address"],
    ["Term", (members) => String(Math.max(...members.map((one) => one.term))), "number"],
    ["Waits for", (members) => waitsFor(members, status)],
    ["Schedulers", (members) => count(members.length), "number"],
    ["Processes", (members) => count(members.reduce((sum, one) => sum + one.processes, 0)), "number"],
  ], logs(status), "This router knows of no scheduler."));
}

function registered(one) {
  return one.registered_age_seconds === null ? "never" : `${duration(one.registered_age_seconds)} ago`;
}

function schedulers(status) {
  return section("schedulers", "Schedulers", table("Schedulers", [
    ["Scheduler", (one) => one.url, "address"],
    ["Standing", standing],
    ["Role", (one) => one.role ?? UNKNOWN],
    ["Processes", (one) => count(one.processes), "number"],
    ["New processes", gets],
    ["Term led", (one) => (one.term === 0 ? "none" : String(one.term)), "number"],
    ["Behind", lag, "number"],
    ["Failing checks", (one) => (one.version === null ? UNKNOWN : one.failing.join(", ") || "none")],
    ["Registered", registered, "number"],
    ["Trouble", trouble],
  ], status.schedulers, "This router knows of no scheduler."));
}

operate({
  title: "Quipu router",
  screens: [
    {
      name: "health", heading: "Health", ask: askAll,
      parts: (told) => [section("checks", "Checks", checks(told.checks)), router(told.status)],
    },
    { name: "fleet", heading: "Fleet", ask: askAll, parts: (told) => [groups(told.status), schedulers(told.status)] },
  ],
});
