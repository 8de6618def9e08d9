// A line over time, with what it says in words, and all its numbers as a table for whoever wants those.

import { el } from "./el.js";
import { table } from "./parts.js";
import { written } from "./preferences.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [300, 60];
const ROWS = 24;
// Which tables are open: a page that is shown anew does not close them.
const open = new Set();

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// The points of each stretch in which something is known.
function stretches(at, values, most) {
  const [first, last] = [at[0], at.at(-1)];
  const span = Math.max(1, last - first);
  const found = [[]];
  values.forEach((value, index) => {
    if (value === null || value === undefined) found.push([]);
    else found.at(-1).push(`${((at[index] - first) / span * WIDTH).toFixed(1)},${(HEIGHT - 2 - value / most * (HEIGHT - 4)).toFixed(1)}`);
  });
  return found.filter((points) => points.length > 0);
}

function line(at, values, most) {
  const drawn = stretches(at, values, most).map((points) => svg("polyline", {
    points: points.length === 1 ? `${points[0]} ${points[0]}` : points.join(" "),
    fill: "none", stroke: "currentColor", "stroke-width": points.length === 1 ? "5" : "1.5", "stroke-linecap": "round", "vector-effect": "non-scaling-stroke",
  }));
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...drawn);
}

// Some rows of all: each the greatest value of its stretch of time.
function rows(at, values) {
  const each = Math.max(1, Math.ceil(values.length / ROWS));
  const found = [];
  for (let end = values.length; end > 0; end -= each) {
    const part = values.slice(Math.max(0, end - each), end).filter((value) => value !== null);
    found.push({ at: at[end - 1], value: part.length === 0 ? null : Math.max(...part) });
  }
  return found;
}

// A chart of values at these times, in milliseconds; `shown` writes one as people read it.
export function chart(name, at, values, shown) {
  const known = values.filter((value) => value !== null && value !== undefined);
  const heading = el("strong", {}, name);
  if (known.length === 0) return el("figure", { "data-chart": name }, el("figcaption", {}, heading, ": nothing yet"));
  const most = Math.max(...known);
  const now = values.at(-1);
  const when = at[values.lastIndexOf(most)];
  // What it was last is as old as it says, not what it is now.
  const said = el("figcaption", {}, heading, `: ${now === null ? "nothing" : shown(now)} at `, el("time", { "data-ms": at.at(-1) }, written(at.at(-1))),
    `, at most ${shown(most)} at `, el("time", { "data-ms": when }, written(when)));
  const details = el("details", { open: open.has(name) }, el("summary", {}, "As a table"));
  const fill = () => {
    if (details.childElementCount > 1) return;
    details.append(table(`${name}, the greatest of each time`, [
      ["Until", (row) => el("time", { "data-ms": row.at }, written(row.at))],
      ["At most", (row) => (row.value === null ? "nothing" : shown(row.value)), "number"],
    ], rows(at, values), ""));
  };
  if (open.has(name)) fill();
  details.addEventListener("toggle", () => {
    if (details.open) {
      open.add(name);
      fill();
    } else open.delete(name);
  });
  return el("figure", { "data-chart": name }, said, line(at, values, most || 1), details);
}
