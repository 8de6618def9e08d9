// ANS-104 data items: taken apart as they came, byte by byte, and never put together again.

// By signature type: its name, and the lengths of signature and owner.
const TYPES = {
  1: ["Arweave (RSA)", 512, 512],
  2: ["Ed25519", 64, 32],
  3: ["Ethereum", 65, 65],
  4: ["Solana", 64, 32],
  5: ["Aptos", 64, 32],
  6: ["Aptos, several keys", 2052, 1025],
  7: ["Ethereum, typed data", 65, 42],
};

const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class NoItem extends Error {}

// More bytes of tags are not read: a page would stand still meanwhile.
const TAG_BYTES = 1 << 20;

// Takes fields off the front of bytes.
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  get left() {
    return this.bytes.length - this.at;
  }

  take(field, length) {
    if (length > this.left) throw new NoItem(`the item ends inside its ${field}`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  optional(field) {
    const [flag] = this.take(field, 1);
    if (flag > 1) throw new NoItem(`the flag before the ${field} is ${flag}, expected 0 or 1`);
    return flag === 1 ? this.take(field, 32) : new Uint8Array();
  }

  // 64 bits, the lowest byte first.
  number(field) {
    const bytes = this.take(field, 8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  }

  // A number of Avro: zigzag, seven bits in each byte.
  zigzag() {
    let number = 0n;
    for (let shift = 0n; shift < 64n; shift += 7n) {
      const [byte] = this.take("tags", 1);
      if (shift === 63n && (byte & 0x7f) > 1) break;
      number |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return (number >> 1n) ^ -(number & 1n);
    }
    throw new NoItem("a number in the tags has more than 64 bits");
  }

  string() {
    const length = this.zigzag();
    if (length < 0n) throw new NoItem(`a string in the tags has the length ${length}`);
    const bytes = this.take("tags", length > BigInt(this.left) ? Infinity : Number(length));
    try {
      return text.decode(bytes);
    } catch {
      throw new NoItem("a tag is not UTF-8");
    }
  }
}

function readTags(bytes, announced) {
  const tags = [];
  if (bytes.length === 0 && announced === 0n) return tags;
  const reader = new Reader(bytes);
  for (;;) {
    if (reader.left === 0) throw new NoItem("the tags end without the 0 that ends them");
    let count = reader.zigzag();
    let end = null;
    if (count < 0n) {
      const size = reader.zigzag();
      end = BigInt(reader.at) + size;
      count = -count;
    }
    if (BigInt(tags.length) + count > announced) break;
    if (count === 0n) {
      if (BigInt(tags.length) !== announced) break;
      if (reader.left > 0) throw new NoItem(`${reader.left} bytes follow the last tag`);
      return tags;
    }
    for (; count > 0n; count -= 1n) tags.push({ name: reader.string(), value: reader.string() });
    if (end !== null && BigInt(reader.at) !== end) throw new NoItem("a block of tags is not as long as it says");
  }
  throw new NoItem(`the number of tags is not ${announced}, which the item announces`);
}

// The parts of an item.
export function parse(bytes) {
  const reader = new Reader(bytes);
  const [low, high] = reader.take("signature type", 2);
  const type = low + 256 * high;
  if (!(type in TYPES)) throw new NoItem(`unknown signature type ${type}: expected 1 to 7`);
  const [name, signatureLength, ownerLength] = TYPES[type];
  const signature = reader.take("signature", signatureLength);
  const owner = reader.take("owner", ownerLength);
  const target = reader.optional("target");
  const anchor = reader.optional("anchor");
  const count = reader.number("number of tags");
  const length = reader.number("number of tag bytes");
  if (length > BigInt(TAG_BYTES)) throw new NoItem(`it has ${length} bytes of tags, at most ${TAG_BYTES} are read`);
  const rawTags = reader.take("tags", length > BigInt(reader.left) ? Infinity : Number(length));
  const tags = readTags(rawTags, count);
  return { type, name, signature, owner, target, anchor, rawTags, tags, data: reader.take("data", reader.left) };
}

// The value of the first tag of this name.
export function tag(item, name) {
  return item.tags.find((tag) => tag.name === name)?.value;
}

// The same, however the name is written: those of the protocol in what others signed.
export function tagOfAny(item, name) {
  return item.tags.find((tag) => tag.name.toLowerCase() === name.toLowerCase())?.value;
}

export function base64url(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// The letters that text may end with, by how many are left over from those that come in fours: the bits beyond the last byte are 0.
const ENDS = ["", null, "AQgw", "AEIMQUYcgkosw048"];

// Whether text is base64url as it is written, and in no other way.
export function isBase64url(text) {
  const ends = ENDS[text.length % 4];
  return /^[A-Za-z0-9_-]*$/.test(text) && ends !== null && (ends === "" || ends.includes(text.at(-1)));
}

export function fromBase64url(text) {
  if (!isBase64url(text)) throw new NoItem("it is no base64url");
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
