// Data of anybody, shown as text or as bytes and never as anything else.

import { el, plain } from "./el.js";
import { size } from "./shown.js";

const SHOWN = 64 << 10;
const HEX_SHOWN = 4 << 10;
// How far lines are moved to the right: brackets in brackets would otherwise take more room than there is.
const DEEPEST = 20;
// What is longer on lines of its own than so many characters is not laid out: a browser would stand still.
const LAID_OUT = 512 << 10;

function asText(bytes) {
  // A character that is cut off at the end is no reason to call the rest no text.
  for (let less = 0; less < 4; less += 1) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, bytes.length - less));
    } catch {
      if (bytes.length <= less) break;
    }
  }
  return null;
}

// Sixteen bytes a line, with their place and with what can be read of them.
function asHex(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = [...bytes.subarray(at, at + 16)];
    const digits = line.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    const read = line.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${digits}  ${read}`);
  }
  return lines.join("\n");
}

// JSON on lines of its own, made of the text itself: numbers stay as they were written. Null when it is none, or too long so.
export function laidOut(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  let [out, depth, at] = ["", 0, 0];
  const line = () => `\n${"  ".repeat(Math.min(depth, DEEPEST))}`;
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs) ?? [];
  for (const token of tokens) {
    if (out.length > LAID_OUT) return null;
    const next = tokens[at += 1];
    if (token === "{" || token === "[") {
      depth += 1;
      out += next === "}" || next === "]" ? token : token + line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      const before = tokens[at - 2];
      out += before === "{" || before === "[" ? token : line() + token;
    } else if (token === ",") {
      out += token + line();
    } else {
      out += token === ":" ? ": " : token;
    }
  }
  return out;
}

export function data(bytes) {
  const shown = bytes.subarray(0, SHOWN);
  const text = asText(shown);
  const ways = [["Hex", () => asHex(bytes.subarray(0, HEX_SHOWN)), HEX_SHOWN]];
  if (text !== null) {
    ways.unshift(["Text", () => text, SHOWN]);
    if (bytes.length <= SHOWN && /^\s*[[{]/.test(text) && laidOut(text) !== null) ways.push(["JSON", () => laidOut(text), SHOWN]);
  }
  const block = el("pre", { tabindex: "0", "aria-label": "Data", id: "data" });
  const note = el("p", { class: "quiet" });
  const buttons = ways.map(([name, show, most]) => {
    const button = el("button", { type: "button", "aria-pressed": "false" }, name);
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      // It is cut where it is bytes, and longer where it is laid out.
      block.textContent = plain(show(), Infinity);
      note.textContent = bytes.length > most
        ? `The first ${size(most)} of ${size(bytes.length)} are shown; all of it is in the exact bytes.` : "";
    });
    return button;
  });
  buttons[0].click();
  if (bytes.length === 0) return el("p", {}, "It has no data.");
  return [el("h3", {}, `Data: ${size(bytes.length)}`), el("p", { class: "actions" }, buttons), block, note];
}
