// The frame of the pages for operators: screens, each made of calls that are asked again and again, under one sentence on
// how it all is.

import { el, plain } from "./el.js";
import { change, follow, NoAnswer, useToken } from "./feed.js";
import { frame } from "./frame.js";
import { written } from "./preferences.js";
import { tokenForm, verdict } from "./parts.js";

// What is older than so many milliseconds is shown to be so.
const STALE = 15_000;

const place = (id) => document.getElementById(id);

// Says it, once: what is read aloud is not read again.
function say(id, text, isSeen = true) {
  place(id).classList.toggle("unseen", !isSeen);
  if (place(id).textContent !== text) place(id).textContent = text;
}

// Says how old it is, with a time that is switched with all others.
function sayWhen(parts) {
  const shown = parts.map((part) => (typeof part === "number" ? el("time", { "data-ms": part }, written(part)) : part));
  place("age").replaceChildren(...shown);
}

// Whether somebody is about to copy or to write something, or to press what would be gone.
function isBusy(content) {
  const selection = getSelection();
  if (!selection.isCollapsed && content.contains(selection.anchorNode)) return true;
  return document.activeElement !== content && content.contains(document.activeElement)
    && document.activeElement.matches("input, button, summary, a");
}

// What is said of each answer until none is left to be asked for: `more` makes what is asked next of an answer, or nothing
// where it was the last. It stops between two questions when it is told to. A failure tells how far it came before.
async function askAll(path, body, told, { patience, more, isStopped, say }) {
  let words = null;
  for (let next = body?.(); ;) {
    try {
      const answer = await change(path, next, patience);
      words = told(answer);
      next = more?.(answer, next);
    } catch (error) {
      error.soFar = words;
      throw error;
    }
    if (next === undefined || isStopped()) return words;
    say(`${words}…`);
  }
}

// Of buttons that have this, only one asks at a time; it is named.
export const turn = () => ({ by: null });

// A button that changes something once it is pressed a second time. What came of it is said above all that is shown anew.
// It may take so many milliseconds, where that is longer than a question may. With `more` it goes on as long as there is
// more to ask, until it is pressed once more. What changes nothing is pressed once.
export function act(label, path, body, told, { patience, more, isSafe = false, turns = turn() } = {}) {
  const button = el("button", { type: "button" }, label);
  let [isSure, asking, isStopped] = [false, false, false];
  button.addEventListener("blur", () => {
    if (asking) return;
    isSure = false;
    button.textContent = label;
  });
  button.addEventListener("click", async () => {
    if (asking) {
      isStopped = true;
      return;
    }
    if (turns.by !== null) {
      say("said", `${label}: not yet: “${turns.by}” is not done.`);
      return;
    }
    if (!isSure && !isSafe) {
      isSure = true;
      button.textContent = `${label}: sure?`;
      return;
    }
    // Whoever pressed it stays where they are.
    [asking, isStopped, turns.by] = [true, false, label];
    if (more === undefined) button.setAttribute("aria-disabled", "true");
    else button.textContent = `Stop: ${label}`;
    say("said", `${label}: asking…`);
    try {
      const goesOn = { patience, more, isStopped: () => isStopped, say: (words) => say("said", plain(`${label}: ${words}`)) };
      say("said", plain(`${label}: ${await askAll(path, body, told, goesOn)}.`));
    } catch (error) {
      const reason = error instanceof NoAnswer ? error.message : `this page has a fault: ${error.message}`;
      say("said", plain(`${label}: no: ${reason}.${error.soFar ? ` Before that: ${error.soFar}.` : ""}`));
      if (error.needsToken) askForToken(error.message);
    }
    // What came of it is shown anew, the button too: whoever is at it goes on from the top of that, or at the token.
    if (document.activeElement === button) (place("token").querySelector("input") ?? place("content")).focus({ preventScroll: true });
    button.removeAttribute("aria-disabled");
    [isSure, asking, turns.by] = [false, false, null];
    button.textContent = label;
  });
  return button;
}

let again = () => {};
// When that was told which is shown.
let shownAt = null;

function askForToken(reason) {
  if (place("token").childElementCount > 0) return;
  place("token").replaceChildren(tokenForm(reason, (token) => {
    useToken(token);
    place("token").replaceChildren();
    again();
  }));
}

const partsOfAddress = () => location.hash.replace(/^#\/?/, "").split("?");

// Which of the screens the address stands for; the first one is the start.
function screenNow(screens) {
  const [name] = partsOfAddress();
  return screens.find((screen) => screen.name === name) ?? screens[0];
}

function links({ screens, elsewhere }) {
  const link = ({ name, heading }) => el("a", { href: `#/${name}`, "data-screen": name }, heading);
  place("screens").replaceChildren(...screens.map(link), ...(elsewhere ?? []).map(([at, heading]) => el("a", { href: at }, heading)));
}

// Says at the links which screen it is; whoever pressed one stays at it.
function markLink(now) {
  for (const link of place("screens").querySelectorAll("[data-screen]")) {
    if (link.dataset.screen === now.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function show(page, told, at, failure) {
  const content = place("content");
  if (failure?.needsToken) {
    place("token").replaceChildren();
    askForToken(failure.message);
  }
  content.classList.toggle("stale", failure !== null && told !== null);
  if (failure !== null) {
    say("verdict", plain(`No answer: ${failure.message}`));
    document.title = `No answer - ${page.title}`;
    sayWhen(shownAt === null ? ["Nothing was told yet."] : ["What is below was told at ", shownAt, "."]);
    return;
  }
  say("verdict", verdict(told.checks));
  document.title = `${told.screen.heading}: ${verdict(told.checks).split(":")[0]} - ${page.title}`;
  const isOther = content.dataset.address !== told.address;
  if (!isOther && isBusy(content)) {
    sayWhen(["What is below was told at ", shownAt, ": it is not shown anew while something in it is chosen."]);
    content.classList.toggle("stale", at - shownAt > STALE);
    return;
  }
  shownAt = at;
  sayWhen(["Told at ", at, "; asked again every 5 seconds while this is seen."]);
  // Long tables come piece by piece: till then the page stays as long as it was, and what is seen of it where it is.
  const height = isOther ? 0 : content.offsetHeight;
  const isFirst = content.dataset.address === undefined;
  [content.dataset.screen, content.dataset.address] = [told.screen.name, told.address];
  content.replaceChildren(...told.screen.parts(told).flat().filter((part) => part !== null));
  content.style.minHeight = isBuilt(content) ? "" : `${height}px`;
  if (!isOther || isFirst) return;
  // Whoever was at something that is gone goes on from the top.
  say("said", `${told.screen.heading} is shown.`, false);
  if (document.activeElement === document.body) content.focus({ preventScroll: true });
}

const isBuilt = (content) => content.querySelector("table[aria-busy]") === null;

// Shows a page of these screens: `ask` gets all that one tells, checks among it, and `parts` makes of that what is shown.
// `elsewhere` are addresses and names of other pages.
export function operate(page) {
  const { screens } = page;
  frame(screens.map(({ heading, name }, at) => [String(at + 1), heading.toLowerCase(), () => (location.hash = `#/${name}`)]));
  const askScreen = async () => {
    const [screen, address] = [screenNow(screens), location.hash];
    return { ...await screen.ask(new URLSearchParams(partsOfAddress()[1] ?? "")), screen, address };
  };
  place("content").addEventListener("filled", ({ currentTarget }) => {
    if (isBuilt(currentTarget)) currentTarget.style.minHeight = "";
  });
  say("verdict", "Asking…");
  links(page);
  markLink(screenNow(screens));
  again = follow(askScreen, (told, at, failure) => show(page, told, at, failure));
  window.addEventListener("hashchange", () => {
    markLink(screenNow(screens));
    again();
  });
}
