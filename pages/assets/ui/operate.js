// The frame of the pages for operators: what they tell comes from calls that are asked again and again, one of which has checks.

import { plain } from "./el.js";
import { follow, useToken } from "./feed.js";
import { tokenForm, verdict } from "./parts.js";

const place = (id) => document.getElementById(id);

// Says it, once: what is read aloud is not read again.
function say(id, text) {
  if (place(id).textContent !== text) place(id).textContent = text;
}

// Whether somebody is about to copy something.
function isSelecting(content) {
  const selection = getSelection();
  return !selection.isCollapsed && content.contains(selection.anchorNode);
}

function show(page, told, at, failure, given) {
  const content = place("content");
  place("token").replaceChildren(...(failure?.needsToken ? [tokenForm(failure.message, given)] : []));
  content.classList.toggle("stale", failure !== null && told !== null);
  if (failure !== null) {
    say("verdict", plain(`No answer: ${failure.message}`));
    say("age", at === null ? "Nothing was told yet." : `What is below was told at ${new Date(at).toLocaleTimeString()}.`);
    return;
  }
  say("verdict", verdict(told.checks));
  say("age", `Told at ${new Date(at).toLocaleTimeString()}; asked again every 5 seconds while this is seen.`);
  document.title = page.title(told).replace("{verdict}", verdict(told.checks).split(":")[0]);
  if (isSelecting(content)) return;
  content.replaceChildren(...page.parts(told).filter((part) => part !== null));
}

// Shows a page: `ask` gets all that it tells, checks among it; `title` and `parts` make of that what is shown.
export function operate(page) {
  const given = (token) => {
    useToken(token);
    askAgain();
  };
  const askAgain = follow(page.ask, (told, at, failure) => show(page, told, at, failure, given));
}
