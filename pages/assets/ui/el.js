// Elements. All that is shown goes through here, as text: nothing that a node tells becomes markup.

// Characters that cannot be seen, or that turn the order of what stands around them, by what Unicode says of each; but for
// tabs, line ends, and what says how the character before is drawn.
const HIDDEN = /(?![\t\n\ufe0e\ufe0f])[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

// No text of anybody takes more room: 64 Ki characters.
const LONGEST = 64 << 10;

// The text with such characters made visible, up to a length.
export function plain(text, longest = LONGEST) {
  const all = String(text);
  if (all.length > longest) return `${plain(all.slice(0, longest))}… (${all.length - longest} more characters are not shown)`;
  const code = (character) => character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  return all.replace(HIDDEN, (character) => `⟨U+${code(character)}⟩`);
}

// The same of what is one line: tabs and line ends would look like spaces there.
export const plainLine = (text) => plain(text).replace(/[\t\n]/g, (character) => `⟨U+${character === "\t" ? "0009" : "000A"}⟩`);

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
