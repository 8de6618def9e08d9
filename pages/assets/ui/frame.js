// What all pages have around their screens: the switches, the list of keys, and the way past the head of the page.

import { el } from "./el.js";
import { listen } from "./keys.js";
import { showPreferences, switchTheme, switchZone } from "./preferences.js";

const place = (id) => document.getElementById(id);

// Sets the switches up; `keys` are [key, what it does, function], beside those that all pages have.
export function frame(keys) {
  const zone = el("button", { type: "button", id: "zone" });
  const theme = el("button", { type: "button", id: "theme" });
  const help = el("button", { type: "button", id: "help", "aria-expanded": "false", "aria-controls": "keys" }, "Help");
  zone.addEventListener("click", () => switchZone(zone));
  theme.addEventListener("click", () => switchTheme(theme));
  showPreferences(zone, theme);
  place("switches").replaceChildren(zone, theme, help);
  listen(place("keys"), help, [...keys, ["t", "time zone", () => zone.click()]]);
  // The address of a page is that of its screen.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    place("content").focus();
  });
}
