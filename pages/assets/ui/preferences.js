// What somebody chose, kept by the browser: how times and colours are shown, and whether keys do anything.

const PREFIX = "quipu.";
// What the browser does not keep for this page, which is forgotten with it.
const unkept = new Map();

export function kept(name) {
  try {
    return unkept.get(name) ?? localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

// Whether the browser keeps it beyond this page.
export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
    unkept.delete(name);
    return true;
  } catch {
    unkept.set(name, value);
    return false;
  }
}

export function forget(name) {
  unkept.delete(name);
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // It was never kept.
  }
}

const THEMES = { system: "system", light: "light", dark: "dark" };

// A time of so many milliseconds since 1970, in the zone that was chosen.
export function written(milliseconds) {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return `${milliseconds} ms`;
  if (kept("zone") === "UTC") return `${date.toISOString().replace("T", " ").replace("Z", "")} UTC`;
  const pad = (number, length = 2) => String(number).padStart(length, "0");
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return `${day} ${time}.${pad(date.getMilliseconds(), 3)}`;
}

function showZone(button) {
  button.textContent = `Times: ${kept("zone") === "UTC" ? "UTC" : "local"}`;
  for (const time of document.querySelectorAll("time[data-ms]")) time.textContent = written(Number(time.dataset.ms));
}

export function switchZone(button) {
  keep("zone", kept("zone") === "UTC" ? "local" : "UTC");
  showZone(button);
}

function showTheme(button) {
  const theme = kept("theme") in THEMES ? kept("theme") : "system";
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  button.textContent = `Colours: ${THEMES[theme]}`;
}

export function switchTheme(button) {
  const names = Object.keys(THEMES);
  keep("theme", names[(names.indexOf(kept("theme") ?? "system") + 1) % names.length]);
  showTheme(button);
}

export function showPreferences(zone, theme) {
  showZone(zone);
  showTheme(theme);
}
