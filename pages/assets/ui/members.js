// Members: the nodes that keep the log together, their terms, and what is waited for.

import { el } from "./el.js";
import { ask as askFor, askChecks } from "./feed.js";
import { count, duration, many, UNKNOWN } from "./format.js";
import { facts, level, section, table } from "./parts.js";

export const name = "members";
export const heading = "Members";

export async function ask() {
  const [status, checks] = await Promise.all([askFor("status"), askChecks()]);
  return { status, checks };
}

const ROLES = {
  leading: "leads", confirming: "is to lead, and waits until its term is confirmed", promising: "asks the others to promise it a term",
  following: "follows a leader", apart: "has another log than the leader",
};

// What nothing goes on without.
function waits(member) {
  if (member.role === "promising") return "the promises of the others";
  if (member.role === "confirming") return "its term to be confirmed by others";
  if (member.role === "apart") return "a person: its log has to be set aside, with quipu rejoin";
  if (member.role !== "leading" || member.waiting_seconds === null) return "nothing";
  return `${many(member.acks, "other")} to have ${many(member.events - member.released, "event")}, for ${duration(member.waiting_seconds)}`;
}

function standing(voter, member) {
  if (voter.role === "apart") return [level("fail"), " has another log, and does not count"];
  if (voter.role === "leader") return [level("ok"), " leads"];
  if (voter.heard_seconds === null) return [level("warn"), " was never heard of"];
  return voter.lag_events === null || voter.lag_events > 0
    ? [level(member.waiting_seconds === null ? "ok" : "warn"), " is behind"] : [level("ok"), " has all"];
}

export function parts({ status }) {
  const { member } = status;
  if (!member) return [section("members", "Members", el("p", { id: "alone" }, "This node keeps its log alone: no other confirms what it writes."))];
  const copies = (voter) => (voter.events === null ? UNKNOWN : many(voter.events, "event"));
  return [section("members", "This node", facts([
    ["Node", member.node],
    ["It", ROLES[member.role] ?? member.role],
    ["Waits for", waits(member)],
    ["Term of its log", String(member.term)],
    ["Term promised", member.promised_term === member.term ? "this one" : `${member.promised_term}, to ${member.promised_to}`],
    ["On disk", many(member.events, "event")],
    ["Released", `${many(member.released, "event")}: what others may see`],
    ["Confirmations", `${count(member.acks)} of the others must have an event before anybody sees it`],
  ])), section("voters", "Those whose copies count", table("Members", [
    ["Node", (voter) => voter.node === member.node ? `${voter.node} (this one)` : voter.node],
    ["Standing", (voter) => standing(voter, member)],
    ["Has", copies, "number"],
    ["Behind", (voter) => (voter.lag_events === null ? UNKNOWN : many(voter.lag_events, "event")), "number"],
    ["Heard of", (voter) => (voter.heard_seconds === null ? "never" : `${duration(voter.heard_seconds)} ago`), "number"],
    ["Admin listener", (voter) => voter.url ?? UNKNOWN],
  ], member.voters, "No node counts."), el("p", {}, "To hand over, add or take away: ", el("code", {}, "quipu handover"), ", ",
    el("code", {}, "quipu members"), "."))];
}
