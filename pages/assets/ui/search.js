// Search by tag, signer and process, which only a scheduler with a database answers; where there is none, it says so.

import { search } from "./calls.js";
import { el } from "./el.js";
import { count } from "./format.js";
import { section, table } from "./parts.js";
import { entryAt, failure, findAt, id, kind, processAt, size, step, time } from "./shown.js";

const ROWS = 50;
const FIELDS = [
  ["tag", "Tag, as Name:Value", 4096],
  ["owner", "Address that signed it", 43],
  ["process", "Process", 43],
];
const searchAt = (given) => `#/search?${new URLSearchParams(given)}`;

function form(given, again) {
  const fields = FIELDS.map(([name, label, maxlength]) => el("div", {},
    el("label", { for: `search-${name}` }, label),
    el("input", { id: `search-${name}`, name, maxlength, value: given[name], autocomplete: "off", spellcheck: "false" })));
  const sent = el("form", { id: "search" }, fields, el("p", { class: "actions" }, el("button", { type: "submit" }, "Search")));
  sent.addEventListener("submit", (event) => {
    event.preventDefault();
    const filled = [...new FormData(sent)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value !== "");
    const to = searchAt(filled);
    // It may be answered now, or have come since.
    if (location.hash === to) again();
    else location.hash = to;
  });
  return sent;
}

function list(told) {
  return table("What was found, the newest first", [
    ["Entry", (row) => el("a", { href: entryAt(row.process, row.nonce), "data-row": true }, row.nonce ?? "spawned"), "number"],
    ["When", (row) => time(row.timestamp)],
    ["What", kind],
    ["Id", (row) => id(row.id, findAt(row.id))],
    ["Of process", (row) => id(row.process, processAt(row.process))],
    ["From", (row) => id(row.owner)],
    ["Data", (row) => size(row.size), "number"],
  ], told.items, "Nothing was found.");
}

export async function open(place, route, signal) {
  const given = Object.fromEntries(route.given);
  let found;
  try {
    const told = await search(given, ROWS, signal);
    const as = told.position === null ? "the database is empty" : `as of event ${count(told.position)}`;
    const older = told.next === null ? null : searchAt({ ...given, cursor: told.next });
    found = [el("p", { class: "quiet" }, `The database answers, ${as}.`), list(told),
      el("nav", { class: "actions", "aria-label": "Pages" }, step("Older", older, "]"))];
  } catch (error) {
    found = failure(error);
  }
  if (!signal.aborted) place.replaceChildren(section("searched", "Search", form(given, route.again), found));
}
