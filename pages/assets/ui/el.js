// Elements. All that is shown goes through here, as text: nothing that a node tells becomes markup.

// Characters that cannot be seen, or that turn the order of what stands around them.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

// The text with such characters made visible.
export function plain(text) {
  const code = (character) => character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  return String(text).replace(HIDDEN, (character) => `⟨U+${code(character)}⟩`);
}

// An element with these attributes; children are elements or what is to be shown as text.
export function el(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(key, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null) continue;
    element.append(child instanceof Node ? child : plain(child));
  }
  return element;
}
