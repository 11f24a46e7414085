/**
 * Signs a Mach-O executable ad hoc.
 *
 * Bun signs its arm64 output anew, but leaves on an x64 one the signature of the plain Bun runtime, which no
 * longer fits the file it stands in: a Mac then refuses to run it. The formats are those of Apple's
 * `cs_blobs.h` (xnu, osfmk/kern) and `mach-o/loader.h`; code signatures are big-endian, Mach-O is little-endian.
 */
import { readFileSync, writeFileSync } from "node:fs";

const MACHO_MAGIC_64 = 0xfeedfacf;
const LC_SEGMENT_64 = 0x19;
const LC_CODE_SIGNATURE = 0x1d;
const HEADER_BYTES = 32;

const CSMAGIC_EMBEDDED_SIGNATURE = 0xfade0cc0;
const CSMAGIC_CODEDIRECTORY = 0xfade0c02;
/** With the execSeg fields. */
const CODE_DIRECTORY_VERSION = 0x20400;
const CODE_DIRECTORY_BYTES = 88;
const SUPER_BLOB_BYTES = 20;
const CS_ADHOC = 0x2;
const CS_EXECSEG_MAIN_BINARY = 1n;
const HASH_TYPE_SHA256 = 2;
const HASH_BYTES = 32;
const PAGE_SHIFT = 12;
const PAGE_BYTES = 1 << PAGE_SHIFT;
/** Segments are mapped in pages of the largest size a Mac has. */
const SEGMENT_ALIGNMENT = 0x4000n;

/** Replaces whatever signature a thin 64-bit Mach-O has by an ad-hoc one over all of its code. */
export function signAdHoc(path: string, identifier: string): void {
  const file = readFileSync(path);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const { signature, linkedit, textBytes } = findCommands(view);

  const codeLimit = view.getUint32(signature + 8, true);
  const slots = Math.ceil(codeLimit / PAGE_BYTES);
  const name = Buffer.from(`${identifier}\0`);
  const hashOffset = CODE_DIRECTORY_BYTES + name.length;
  const directoryBytes = hashOffset + slots * HASH_BYTES;
  const signatureBytes = SUPER_BLOB_BYTES + directoryBytes;

  // The header is signed as well, so it has to be final before anything is hashed.
  view.setUint32(signature + 12, signatureBytes, true);
  const linkeditStart = view.getBigUint64(linkedit + 40, true);
  const linkeditBytes = BigInt(codeLimit + signatureBytes) - linkeditStart;
  view.setBigUint64(linkedit + 48, linkeditBytes, true);
  view.setBigUint64(linkedit + 32, roundUp(linkeditBytes, SEGMENT_ALIGNMENT), true);

  const blob = Buffer.alloc(signatureBytes);
  writeWords(blob, 0, [CSMAGIC_EMBEDDED_SIGNATURE, signatureBytes, 1, 0, SUPER_BLOB_BYTES]);
  const directory = blob.subarray(SUPER_BLOB_BYTES);
  const noSpecialSlots = 0;
  writeWords(directory, 0, [
    CSMAGIC_CODEDIRECTORY,
    directoryBytes,
    CODE_DIRECTORY_VERSION,
    CS_ADHOC,
    hashOffset,
    CODE_DIRECTORY_BYTES,
    noSpecialSlots,
    slots,
    codeLimit,
  ]);
  directory.set([HASH_BYTES, HASH_TYPE_SHA256, 0, PAGE_SHIFT], 36);
  directory.writeBigUInt64BE(0n, 64);
  directory.writeBigUInt64BE(textBytes, 72);
  directory.writeBigUInt64BE(CS_EXECSEG_MAIN_BINARY, 80);
  directory.set(name, CODE_DIRECTORY_BYTES);
  for (let slot = 0; slot < slots; slot += 1) {
    const page = file.subarray(slot * PAGE_BYTES, Math.min((slot + 1) * PAGE_BYTES, codeLimit));
    directory.set(new Bun.CryptoHasher("sha256").update(page).digest(), hashOffset + slot * HASH_BYTES);
  }
  writeFileSync(path, Buffer.concat([file.subarray(0, codeLimit), blob]), { mode: 0o755 });
}

/** Offsets of the load commands that a signature touches, and the length of the code segment. */
function findCommands(view: DataView): { signature: number; linkedit: number; textBytes: bigint } {
  if (view.getUint32(0, true) !== MACHO_MAGIC_64) throw new Error("not a thin 64-bit Mach-O");
  let signature = 0;
  let linkedit = 0;
  let textBytes = 0n;
  let offset = HEADER_BYTES;
  for (let left = view.getUint32(16, true); left > 0; left -= 1) {
    const type = view.getUint32(offset, true);
    if (type === LC_CODE_SIGNATURE) signature = offset;
    if (type === LC_SEGMENT_64) {
      const name = segmentName(view, offset + 8);
      if (name === "__LINKEDIT") linkedit = offset;
      if (name === "__TEXT") textBytes = view.getBigUint64(offset + 48, true);
    }
    offset += view.getUint32(offset + 4, true);
  }
  if (signature === 0 || linkedit === 0) throw new Error("no room for a signature in this Mach-O");
  return { signature, linkedit, textBytes };
}

function segmentName(view: DataView, offset: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, 16);
  return new TextDecoder().decode(bytes).replace(/\0.*$/, "");
}

function writeWords(buffer: Buffer, offset: number, words: number[]): void {
  for (const [index, word] of words.entries()) buffer.writeUInt32BE(word, offset + 4 * index);
}

function roundUp(value: bigint, to: bigint): bigint {
  return ((value + to - 1n) / to) * to;
}
