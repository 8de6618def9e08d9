// What keys do, and the list of them.

import { el } from "./el.js";
import { keep, kept } from "./preferences.js";

const isOn = () => kept("keys") !== "off";

function list(place, keys) {
  const label = () => (isOn() ? "Turn keys off" : "Turn keys on");
  const state = el("button", { type: "button" }, label());
  // Whoever pressed it stays at it.
  state.addEventListener("click", () => {
    keep("keys", isOn() ? "off" : "on");
    state.textContent = label();
  });
  place.replaceChildren(el("h2", { id: "keys-heading" }, "Keys"),
    el("dl", {}, keys.map(([key, does]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, does)])), state);
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

// The keys of the explorer; `say` tells what one did.
export const exploring = (field, say) => [
  ["/", "find", () => field.focus()],
  ["j", "next row", () => moveRow(1)],
  ["k", "row before", () => moveRow(-1)],
  ["Enter", "open the row"],
  ["[", "newer page, or nonce before", () => document.querySelector('[data-step="["][href]')?.click()],
  ["]", "older page, or nonce after", () => document.querySelector('[data-step="]"][href]')?.click()],
  ["v", "verify", () => document.querySelector("[data-verify]")?.click()],
  ["y", "copy the id", () => copyId(say)],
];

// Lets keys do what they are to do; the list of them opens at `place`, by `help` too.
export function listen(place, help, given) {
  const toggle = () => {
    place.hidden = !place.hidden;
    help.setAttribute("aria-expanded", String(!place.hidden));
    if (!place.hidden) list(place, keys);
  };
  const keys = [...given, ["?", "this list", toggle]];
  help.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input")) return;
    if (event.key === "Escape" && !place.hidden) {
      if (place.contains(document.activeElement)) help.focus();
      return toggle();
    }
    const act = keys.find(([key]) => key === event.key)?.[2];
    if (act === undefined || (!isOn() && event.key !== "?")) return;
    event.preventDefault();
    act();
  });
}
