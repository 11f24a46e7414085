/**
 * What an executable file says about itself, for machines that cannot run it. Strict: a header that is not as
 * its specification has it is an error, and so is one that promises bytes the file does not have.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

export type Cpu = "x64" | "arm64";

export interface Elf {
  cpu: Cpu;
  /** The loader the kernel is asked to start: it names the C library. */
  interpreter: string;
  /** The linker's hash of what it linked, in hex: the same for the same runtime, whatever was added to it. */
  buildId: string;
}

export interface Pe {
  cpu: Cpu;
  subsystem: "console" | "windows";
}

export interface MachO {
  cpu: Cpu;
  signature: CodeSignature;
}

export interface CodeSignature {
  identifier: string;
  /** Made without a certificate. */
  adHoc: boolean;
  pageSize: number;
  pages: number;
  /** Where the signed part of the file ends. */
  codeLimit: number;
  /** Where the signature begins: all before it has to be signed. */
  dataOffset: number;
  /** Pages whose bytes are not the signed ones, by number. */
  badPages: number[];
  /** Documents beside the code, by slot, that are not the signed ones: changed, missing or added. */
  badSlots: number[];
}

const SCAN_BYTES = 4 * 1024 * 1024;

/** Layout and constants: System V ABI, chapters 4 and 5, and elf.h of glibc. */
export function readElf(path: string): Elf {
  return inFile(path, (file) => {
    const header = file.view(0, 64);
    expectEqual("ELF magic", header.getUint32(0), 0x7f454c46);
    expectEqual("ELF class, 2 is 64-bit", header.getUint8(4), 2);
    expectEqual("ELF data, 1 is little endian", header.getUint8(5), 1);
    // Both are programs: ET_DYN is the position-independent kind. Libraries have no interpreter.
    expectOneOf("ELF type", header.getUint16(16, true), { 2: "ET_EXEC", 3: "ET_DYN" });
    const cpu = expectOneOf("ELF machine", header.getUint16(18, true), { 62: "x64", 183: "arm64" } as const);

    let interpreter: string | null = null;
    let buildId: string | null = null;
    const entrySize = header.getUint16(54, true);
    const programs = file.view(
      toNumber(header.getBigUint64(32, true)),
      entrySize * header.getUint16(56, true),
    );
    for (let at = 0; at < programs.byteLength; at += entrySize) {
      const type = programs.getUint32(at, true);
      const offset = toNumber(programs.getBigUint64(at + 8, true));
      const size = toNumber(programs.getBigUint64(at + 32, true));
      file.expectRange(`segment of type ${type}`, offset, size);
      if (type === 3) interpreter = text(file.bytes(offset, size));
      if (type === 4) buildId ??= gnuBuildId(file.view(offset, size));
    }
    if (interpreter === null) throw new Error("There is no PT_INTERP");
    if (buildId === null) throw new Error("There is no GNU build ID");
    return { cpu, interpreter, buildId };
  });
}

function gnuBuildId(notes: DataView): string | null {
  const aligned = (size: number) => Math.ceil(size / 4) * 4;
  for (let at = 0; at < notes.byteLength;) {
    const nameSize = notes.getUint32(at, true);
    const size = notes.getUint32(at + 4, true);
    const name = at + 12;
    const description = name + aligned(nameSize);
    const isBuildId = notes.getUint32(at + 8, true) === 3 && text(slice(notes, name, nameSize)) === "GNU";
    if (isBuildId) return Buffer.from(slice(notes, description, size)).toString("hex");
    at = description + aligned(size);
  }
  return null;
}

/** Layout and constants: Microsoft's "PE Format". */
export function readPe(path: string): Pe {
  return inFile(path, (file) => {
    const dos = file.view(0, 64);
    expectEqual("MZ", dos.getUint16(0), 0x4d5a);
    const start = dos.getUint32(60, true);
    const coff = file.view(start, 24);
    expectEqual("PE\\0\\0", coff.getUint32(0), 0x50450000);
    const cpu = expectOneOf("PE machine", coff.getUint16(4, true), {
      0x8664: "x64",
      0xaa64: "arm64",
    } as const);
    const characteristics = coff.getUint16(22, true);
    // IMAGE_FILE_EXECUTABLE_IMAGE without IMAGE_FILE_DLL.
    expectEqual("PE characteristics", characteristics & 0x2002, 0x0002);

    const optionalSize = coff.getUint16(20, true);
    const optional = file.view(start + 24, optionalSize);
    expectEqual("PE32+ magic", optional.getUint16(0, true), 0x20b);
    const subsystem = expectOneOf("subsystem", optional.getUint16(68, true), {
      2: "windows",
      3: "console",
    } as const);

    const sections = file.view(start + 24 + optionalSize, 40 * coff.getUint16(6, true));
    for (let at = 0; at < sections.byteLength; at += 40) {
      const name = text(slice(sections, at, 8));
      file.expectRange(
        `section ${name}`,
        sections.getUint32(at + 20, true),
        sections.getUint32(at + 16, true),
      );
    }
    return { cpu, subsystem };
  });
}

/**
 * Layout and constants: mach-o/loader.h and osfmk/kern/cs_blobs.h of Apple's xnu. Load commands are little
 * endian, all of the signature is big endian. Whether a certificate is to be trusted is not looked at.
 */
export function readMachO(path: string): MachO {
  return inFile(path, (file) => {
    const header = file.view(0, 32);
    expectEqual("Mach-O magic, 64-bit and thin", header.getUint32(0, true), 0xfeedfacf);
    const cpu = expectOneOf("Mach-O cputype", header.getUint32(4, true), {
      0x01000007: "x64",
      0x0100000c: "arm64",
    } as const);
    expectEqual("Mach-O filetype, 2 is MH_EXECUTE", header.getUint32(12, true), 2);

    const commands = file.view(32, header.getUint32(20, true));
    let signature: { offset: number; size: number } | null = null;
    let linkeditEnd: number | null = null;
    let at = 0;
    for (let count = header.getUint32(16, true); count > 0; count--) {
      const command = commands.getUint32(at, true);
      if (command === 0x19) {
        const name = text(slice(commands, at + 8, 16));
        const offset = toNumber(commands.getBigUint64(at + 40, true));
        const size = toNumber(commands.getBigUint64(at + 48, true));
        file.expectRange(`segment ${name}`, offset, size);
        // The kernel loads no segment that is larger in the file than in memory.
        if (size > toNumber(commands.getBigUint64(at + 32, true)))
          throw new Error(`${name} exceeds its memory`);
        if (name === "__LINKEDIT") linkeditEnd = offset + size;
      }
      if (command === 0x1d) {
        if (signature) throw new Error("There are two LC_CODE_SIGNATURE");
        signature = { offset: commands.getUint32(at + 8, true), size: commands.getUint32(at + 12, true) };
      }
      at += commands.getUint32(at + 4, true);
    }
    expectEqual("size of the load commands", at, commands.byteLength);
    if (!signature) throw new Error("There is no LC_CODE_SIGNATURE");
    // `codesign --strict` refuses bytes behind the signature: nothing could sign them.
    expectEqual("end of the signature", signature.offset + signature.size, file.size);
    expectEqual("end of __LINKEDIT", linkeditEnd, file.size);
    return { cpu, signature: verify(file, signature.offset, signature.size) };
  });
}

/** Highest slot that a code directory can hold the hash of; those above are signatures of the directory itself. */
const LAST_SPECIAL_SLOT = 0xfff;

function verify(file: OpenFile, dataOffset: number, dataSize: number): CodeSignature {
  const data = file.view(dataOffset, dataSize);
  expectEqual("CSMAGIC_EMBEDDED_SIGNATURE", data.getUint32(0), 0xfade0cc0);
  const superBlob = new DataView(data.buffer, data.byteOffset, data.getUint32(4));
  const blobs = new Map<number, DataView>();
  for (let index = 0; index < superBlob.getUint32(8); index++) {
    const slot = superBlob.getUint32(12 + 8 * index);
    const offset = superBlob.getUint32(16 + 8 * index);
    if (blobs.has(slot)) throw new Error(`Slot ${slot} of the signature is there twice`);
    blobs.set(slot, view(slice(superBlob, offset, superBlob.getUint32(offset + 4))));
  }

  const directory = blobs.get(0);
  if (!directory) throw new Error("There is no code directory");
  expectEqual("CSMAGIC_CODEDIRECTORY", directory.getUint32(0), 0xfade0c02);
  const version = directory.getUint32(8);
  const flags = directory.getUint32(12);
  const hashOffset = directory.getUint32(16);
  const specialSlots = directory.getUint32(24);
  const pages = directory.getUint32(28);
  const hashSize = directory.getUint8(36);
  expectEqual("hash type, 2 is SHA-256", directory.getUint8(37), 2);
  expectEqual("hash size", hashSize, 32);
  // Zero is one page without an end, which the kernel does not take for code either.
  const pageSize =
    2 ** expectOneOf("log2 of the page size", directory.getUint8(39), { 12: 12, 14: 14 } as const);
  if (version >= 0x20100) expectEqual("scatterOffset", directory.getUint32(44), 0);
  const codeLimit64 = version >= 0x20300 ? toNumber(directory.getBigUint64(56)) : 0;
  const codeLimit = codeLimit64 || directory.getUint32(32);
  file.expectRange("signed code", 0, codeLimit);
  expectEqual("number of code slots", pages, Math.ceil(codeLimit / pageSize));
  const signed = (slot: number) => hex(slice(directory, hashOffset + slot * hashSize, hashSize));

  const badPages: number[] = [];
  for (let start = 0; start < codeLimit; start += SCAN_BYTES) {
    const chunk = file.bytes(start, Math.min(SCAN_BYTES, codeLimit - start));
    for (let at = 0; at < chunk.length; at += pageSize) {
      const page = (start + at) / pageSize;
      // The last page ends at the limit: its hash is that of fewer bytes, without padding.
      if (sha256(chunk.subarray(at, at + pageSize)) !== signed(page)) badPages.push(page);
    }
  }

  const badSlots: number[] = [];
  const known = [...blobs.keys()].filter((slot) => slot > 0 && slot <= LAST_SPECIAL_SLOT);
  for (let slot = 1; slot <= Math.max(specialSlots, ...known); slot++) {
    const blob = blobs.get(slot);
    // All zero stands for: there is none.
    const actual = blob ? sha256(slice(blob, 0, blob.byteLength)) : "00".repeat(hashSize);
    if (slot > specialSlots || actual !== signed(-slot)) badSlots.push(slot);
  }

  return {
    identifier: text(slice(directory, directory.getUint32(20))),
    adHoc: (flags & 0x2) !== 0,
    pageSize,
    pages,
    codeLimit,
    dataOffset,
    badPages,
    badSlots,
  };
}

/** Those of the texts that occur nowhere in the file. */
export function missingIn(path: string, texts: readonly string[]): string[] {
  return inFile(path, (file) => {
    let wanted = texts.map((wantedText) => Buffer.from(wantedText));
    const overlap = Math.max(...wanted.map((needle) => needle.length)) - 1;
    for (let start = 0; start < file.size && wanted.length > 0; start += SCAN_BYTES) {
      const chunk = Buffer.from(file.bytes(start, Math.min(SCAN_BYTES + overlap, file.size - start)).buffer);
      wanted = wanted.filter((needle) => !chunk.includes(needle));
    }
    return wanted.map(String);
  });
}

interface OpenFile {
  size: number;
  bytes(offset: number, length: number): Uint8Array<ArrayBuffer>;
  view(offset: number, length: number): DataView<ArrayBuffer>;
  expectRange(what: string, offset: number, length: number): void;
}

function inFile<T>(path: string, look: (file: OpenFile) => T): T {
  const descriptor = openSync(path, "r");
  try {
    const { size } = fstatSync(descriptor);
    const expectRange = (what: string, offset: number, length: number) => {
      if (offset + length > size)
        throw new Error(`${what}: ${length} bytes at ${offset} are not in a file of ${size} bytes`);
    };
    const bytes = (offset: number, length: number) => {
      expectRange("header", offset, length);
      const read = new Uint8Array(length);
      expectEqual(`bytes read at ${offset}`, readSync(descriptor, read, 0, length, offset), length);
      return read;
    };
    return look({ size, bytes, view: (offset, length) => view(bytes(offset, length)), expectRange });
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  } finally {
    closeSync(descriptor);
  }
}

function view(bytes: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function slice(from: DataView<ArrayBufferLike>, offset: number, length = from.byteLength - offset) {
  if (offset < 0 || length < 0 || offset + length > from.byteLength)
    throw new Error(`${length} bytes at ${offset} are not in ${from.byteLength} bytes`);
  return new Uint8Array(from.buffer as ArrayBuffer, from.byteOffset + offset, length);
}

/** Up to the first NUL. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder("utf-8", { fatal: true }).decode(end === -1 ? bytes : bytes.subarray(0, end));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

function sha256(bytes: Uint8Array<ArrayBuffer>): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

function toNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`${value} is beyond any file`);
  return Number(value);
}

function expectEqual(what: string, actual: number | null, expected: number): void {
  if (actual !== expected) throw new Error(`${what}: ${actual}, not ${expected}`);
}

function expectOneOf<T>(what: string, actual: number, meanings: { readonly [value: number]: T }): T {
  const meaning = meanings[actual];
  if (meaning === undefined)
    throw new Error(`${what}: ${actual}, which is none of ${Object.keys(meanings).join(", ")}`);
  return meaning;
}
