// Numbers and times as people read them. What is not known is said so, and not shown as 0.

export const UNKNOWN = "not known";

export const isId = (text) => typeof text === "string" && /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(text);

export function count(number) {
  return number === null || number === undefined ? UNKNOWN : number.toLocaleString("en");
}

// A number of bytes.
export function size(bytes) {
  if (bytes === null || bytes === undefined) return UNKNOWN;
  const [least, unit] = [[1 << 30, "GiB"], [1 << 20, "MiB"], [1 << 10, "KiB"]].find(([least]) => bytes >= least) ?? [1, "B"];
  return `${least === 1 ? bytes : (bytes / least).toFixed(1)} ${unit}`;
}

// A time of so many seconds, in its two largest units.
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  let rest = whole;
  const parts = [];
  for (const [unit, length] of units) {
    const many = Math.floor(rest / length);
    rest -= many * length;
    if (many > 0 || parts.length > 0) parts.push(`${many} ${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

// "1 check", "2 checks".
export function many(number, word) {
  return number === null || number === undefined ? UNKNOWN : `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}
