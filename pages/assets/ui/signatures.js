// Whether an item is signed by its owner, for all types, in plain arithmetic: browsers hide their own cryptography from
// pages that come without TLS, and have nothing for some of the types.

import { EdPoint, edVerify, keccak_256, Point, recoverPublicKey, sha256, sha384 } from "./noble.js";

export { sha256 };

const encoder = new TextEncoder();
// How much is hashed before the page has its turn.
const PIECE = 256 << 10;

const concat = (...parts) => {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
};
const same = (one, other) => one.length === other.length && one.every((byte, place) => byte === other[place]);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const number = (bytes) => BigInt(`0x${hex(bytes)}`);

const turn = () => new Promise((resolve) => setTimeout(resolve));

async function hashed(bytes) {
  const hash = sha384.create();
  for (let at = 0; at < bytes.length; at += PIECE) {
    if (at > 0) await turn();
    hash.update(bytes.subarray(at, at + PIECE));
  }
  return hash.digest();
}

const tagged = (kind, length) => sha384(encoder.encode(`${kind}${length}`));

// What is signed: the deep hash of the parts of the item.
async function message(item) {
  const heads = ["dataitem", "1", String(item.type)].map((head) => encoder.encode(head));
  const parts = [...heads, item.owner, item.target, item.anchor, item.rawTags, item.data];
  let hash = tagged("list", parts.length);
  for (const part of parts) {
    hash = sha384(concat(hash, sha384(concat(tagged("blob", part.length), await hashed(part)))));
  }
  return hash;
}

// RSA-PSS with SHA-256, whatever the length of the salt.
function rsa({ owner, signature }, signed) {
  const modulus = number(owner);
  let power = number(signature);
  if (owner[0] < 0x80 || (owner.at(-1) & 1) === 0 || power >= modulus) return false;
  const base = power;
  for (let squared = 0; squared < 16; squared += 1) power = (power * power) % modulus;
  power = (power * base) % modulus;
  const padded = Uint8Array.from(power.toString(16).padStart(1024, "0").match(/[0-9a-f]{2}/gi), (byte) => parseInt(byte, 16));
  const length = 512 - 32 - 1;
  const [block, digest] = [padded.slice(0, length), padded.subarray(length, length + 32)];
  if (padded.at(-1) !== 0xbc || (block[0] & 0x80) !== 0) return false;
  for (let at = 0, counter = 0; at < length; at += 32, counter += 1) {
    const mask = sha256(concat(digest, Uint8Array.of(0, 0, counter >> 8, counter)));
    for (let place = 0; place < 32 && at + place < length; place += 1) block[at + place] ^= mask[place];
  }
  block[0] &= 0x7f;
  const start = block.findIndex((byte) => byte !== 0);
  if (start < 0 || block[start] !== 1) return false;
  return same(sha256(concat(new Uint8Array(8), sha256(signed), block.subarray(start + 1))), digest);
}

// The strict check: no second form of the same signature, and no key or nonce of small order or with a part of one, with
// which a verifier that leaves such parts out calls right what others call wrong.
function ed25519(owner, signed, signature) {
  try {
    if (!edVerify(signature, signed, owner, { zip215: false })) return false;
    const points = [owner, signature].map((bytes) => EdPoint.fromBytes(bytes.slice(0, 32)));
    return points.every((point) => !point.isSmallOrder() && point.isTorsionFree());
  } catch {
    return false;
  }
}

function severalKeys({ owner, signature }, signed) {
  const digit = owner[1024];
  const threshold = digit >= 0x31 && digit <= 0x39 ? digit - 0x30 : digit;
  if (threshold < 1 || threshold > 32) return false;
  let count = 0;
  for (let place = 0; place < 32; place += 1) {
    const one = signature.subarray(64 * place, 64 * place + 64);
    if ((signature[2048 + (place >> 3)] & (0x80 >> (place & 7))) === 0) {
      if (one.some((byte) => byte !== 0)) return false;
    } else {
      count += 1;
      if (!ed25519(owner.subarray(32 * place, 32 * place + 32), signed, one)) return false;
    }
  }
  return count >= threshold;
}

// The public key that made a signature of Ethereum, without the byte before its coordinates.
function recovered(digest, signature) {
  const last = signature[64];
  const half = Point.CURVE().n / 2n;
  if ((last !== 27 && last !== 28) || number(signature.subarray(32, 64)) > half) return null;
  try {
    const given = concat(Uint8Array.of(last - 27), signature.subarray(0, 64));
    return recoverPublicKey(given, digest, { prehash: false, isCompressed: false }).subarray(1);
  } catch {
    return null;
  }
}

function ethereum({ owner, signature }, signed) {
  const prefix = encoder.encode(`\x19Ethereum Signed Message:\n${signed.length}`);
  const key = recovered(keccak_256(concat(prefix, signed)), signature);
  return key !== null && owner[0] === 4 && same(key, owner.subarray(1));
}

function typedEthereum({ owner, signature }, signed) {
  const written = new TextDecoder().decode(owner);
  if (!/^0x[0-9a-fA-F]{40}$/.test(written)) return false;
  const address = Uint8Array.from(written.slice(2).match(/[0-9a-f]{2}/gi), (byte) => parseInt(byte, 16));
  const words = (text) => keccak_256(encoder.encode(text));
  const domain = keccak_256(
    concat(words("EIP712Domain(string name,string version)"), words("Bundlr"), words("1")));
  const kind = words("Bundlr(bytes Transaction hash,address address)");
  const content = keccak_256(concat(kind, keccak_256(signed), new Uint8Array(12), address));
  const key = recovered(keccak_256(concat(Uint8Array.of(0x19, 1), domain, content)), signature);
  return key !== null && same(keccak_256(key).subarray(12), address);
}

// Whether the signature of an item is its owner's.
export async function isSigned(item) {
  const signed = await message(item);
  const { owner, signature } = item;
  switch (item.type) {
    case 1: return rsa(item, signed);
    case 2: return ed25519(owner, signed, signature);
    case 3: return ethereum(item, signed);
    case 4: return ed25519(owner, encoder.encode(hex(signed)), signature);
    case 5: return ed25519(owner, encoder.encode(`APTOS\nmessage: ${hex(signed)}\nnonce: bundlr`), signature);
    case 6: return severalKeys(item, signed);
    default: return typedEthereum(item, signed);
  }
}
