// What keys do, and the list of them.

import { el } from "./el.js";
import { keep, kept } from "./preferences.js";

const KEYS = [
  ["/", "find"], ["j", "next row"], ["k", "row before"], ["Enter", "open the row"], ["[", "newer page, or nonce before"],
  ["]", "older page, or nonce after"], ["v", "verify"], ["y", "copy the id"], ["t", "time zone"], ["?", "this list"],
];

const isOn = () => kept("keys") !== "off";

function list(place, toggle) {
  const state = el("button", { type: "button" }, isOn() ? "Turn keys off" : "Turn keys on");
  state.addEventListener("click", () => {
    keep("keys", isOn() ? "off" : "on");
    toggle();
    toggle();
  });
  place.replaceChildren(el("h2", { id: "keys-heading" }, "Keys"),
    el("dl", {}, KEYS.map(([key, does]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, does)])), state);
}

function moveRow(by) {
  const links = [...document.querySelectorAll("tbody tr")].map((row) => row.querySelector("a")).filter((link) => link !== null);
  if (links.length === 0) return;
  const now = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  links[Math.max(0, Math.min(links.length - 1, now + by))].focus();
}

async function copyId(say) {
  const focused = document.activeElement?.closest("tr")?.querySelector("[data-id]");
  const found = focused ?? document.querySelector("#content [data-id]");
  if (found === null) return;
  try {
    // Not there for pages that come without TLS.
    await navigator.clipboard.writeText(found.dataset.id);
    say("The id is copied.");
  } catch {
    getSelection().selectAllChildren(found);
    say("The id is marked: this browser copies nothing for pages without TLS.");
  }
}

export function listen(place, buttons, say) {
  const toggle = () => {
    place.hidden = !place.hidden;
    buttons.help.setAttribute("aria-expanded", String(!place.hidden));
    if (!place.hidden) list(place, toggle);
  };
  buttons.help.addEventListener("click", toggle);
  const acts = {
    "/": () => buttons.field.focus(),
    j: () => moveRow(1),
    k: () => moveRow(-1),
    "[": () => document.querySelector('[data-step="["][href]')?.click(),
    "]": () => document.querySelector('[data-step="]"][href]')?.click(),
    v: () => document.querySelector("[data-verify]")?.click(),
    y: () => copyId(say),
    t: () => buttons.zone.click(),
    "?": toggle,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input")) return;
    if (!Object.hasOwn(acts, event.key) || (!isOn() && event.key !== "?")) return;
    event.preventDefault();
    acts[event.key]();
  });
}
