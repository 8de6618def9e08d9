// The parts that pages are made of.

import { el, plain } from "./el.js";
import { duration } from "./format.js";

const SIGNS = { fail: "✕", warn: "!", ok: "✓" };
const ORDER = ["fail", "warn", "ok"];

// How bad something is, in a word; sign, frame and colour only repeat it.
export function level(status) {
  const known = ORDER.includes(status) ? status : "warn";
  return el("span", { class: `level ${known}` }, el("span", { "aria-hidden": "true" }, `${SIGNS[known]} `), status);
}

// A part of a page under a heading.
export function section(id, heading, ...children) {
  return el("section", { id, "aria-labelledby": `${id}-heading` }, el("h2", { id: `${id}-heading` }, heading), children);
}

// How many rows a browser makes and lays out without keeping waiting who presses a key; each such piece is a body of its own,
// so that those before it stay as they are.
const PIECE = 25;

// A table; columns are [heading, cell of a row, "number" where its cells are numbers]. Without rows it says so. What is more
// than a piece follows piece by piece; while it does the table is busy, and at the end "filled" is told.
export function table(caption, columns, rows, none) {
  if (rows.length === 0) return el("p", {}, none);
  const heads = columns.map(([heading, , kind]) => el("th", { scope: "col", class: kind }, heading));
  const cells = (row) => columns.map(([heading, cell, kind]) => el("td", { class: kind, "data-of": heading }, cell(row)));
  const piece = (from) => el("tbody", {}, rows.slice(from, from + PIECE).map((row) => el("tr", {}, cells(row))));
  const made = el("table", { "aria-label": caption }, el("thead", {}, el("tr", {}, heads)), piece(0));
  if (rows.length > PIECE) fill(made, piece, rows.length);
  return made;
}

async function fill(table, piece, length) {
  table.setAttribute("aria-busy", "true");
  for (let from = PIECE; from < length; from += PIECE) {
    await new Promise((resolve) => setTimeout(resolve));
    table.append(piece(from));
  }
  table.removeAttribute("aria-busy");
  table.dispatchEvent(new Event("filled", { bubbles: true }));
}

// Names and what they stand for; pairs with undefined are left out.
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== undefined);
  return el("dl", {}, known.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

// The checks, those that fail first.
export function checks(found) {
  // What this page does not know is to be looked at.
  const place = (check) => ORDER.indexOf(ORDER.includes(check.status) ? check.status : "warn");
  const sorted = [...found].sort((one, other) => place(one) - place(other));
  const columns = [
    ["Result", (check) => level(check.status)],
    ["Check", (check) => check.name],
    ["Reason", (check) => check.reason],
  ];
  if (found.some((check) => check.age_seconds !== undefined)) {
    // Of what was before it started nobody knows.
    columns.push(["For", (check) => `${check.since_start ? "at least " : ""}${duration(check.age_seconds)}${check.since_start ? ", since the start" : ""}`, "number"]);
  }
  return table("Checks", columns, sorted, "There are no checks.");
}

// One sentence on all of it: how bad it is, and the first reason.
export function verdict(found) {
  const bad = found.filter((check) => check.status !== "ok");
  if (bad.length === 0) return "Well: every check is ok.";
  const worst = bad.find((check) => check.status === "fail");
  const more = bad.length > 1 ? ` (and ${bad.length - 1} more)` : "";
  const { name, reason } = worst ?? bad[0];
  return plain(`${worst ? "Act" : "Look"}: ${name}: ${reason}${more}`);
}

// Asks for the token of the listener, and hands it on.
export function tokenForm(reason, given) {
  const field = el("input", { id: "token-field", type: "password", autocomplete: "off", required: true });
  const form = el("form", { "aria-label": "Admin token" },
    el("p", {}, `The node says: ${reason}`),
    el("label", { for: "token-field" }, "Admin token (kept until this page is closed)"),
    field, " ", el("button", { type: "submit" }, "Ask again"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    given(field.value);
  });
  return form;
}
