/** Archives whose bytes depend on nothing but what is in them: no order of a file system, no clock, no user. */
import { gzipSync } from "node:zlib";
import { zipSync, type Zippable } from "fflate";

/** A file of an archive or a package. Folders need no entries: every program that unpacks makes them. */
export interface Member {
  /** With slashes, below the root of what it is put into. */
  path: string;
  mode: 0o644 | 0o755;
  data: Uint8Array;
}

export interface ArchiveOptions {
  /** The time of every file in it. */
  time: Date;
  /** 1 is quick, 9 is small. */
  level: Level;
}

export const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9] as const;

export type Level = (typeof LEVELS)[number];

const BLOCK = 512;

/** POSIX ustar: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html */
export function tarGz(members: readonly Member[], { time, level }: ArchiveOptions): Uint8Array {
  const blocks = sorted(members).flatMap((member) => [
    tarHeader(member, time),
    member.data,
    Buffer.alloc(-member.data.length & (BLOCK - 1)),
  ]);
  // Unlike gzip, zlib writes neither a name nor a time into its header.
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]), { level });
}

function tarHeader({ path, mode, data }: Member, time: Date): Buffer {
  if (Buffer.byteLength(path) > 100) throw new Error(`${path} is too long for a tar archive`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, digits: number) =>
    header.write(value.toString(8).padStart(digits, "0"), offset);
  header.write(path, 0);
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(data.length, 124, 11);
  octal(Math.floor(time.getTime() / 1000), 136, 11);
  header.write("0", 156);
  header.write("ustar", 257);
  header.write("00", 263);
  header.write("root", 265);
  header.write("root", 297);
  // The sum is taken with blanks in its own place.
  header.fill(" ", 148, 156);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  header.writeUInt8(0, 154);
  return header;
}

export function zip(members: readonly Member[], { time, level }: ArchiveOptions): Uint8Array {
  const REGULAR_FILE = 0o100000;
  const MADE_ON_UNIX = 3;
  const files: Zippable = Object.fromEntries(
    sorted(members).map(({ path, mode, data }) => [
      path,
      [data, { os: MADE_ON_UNIX, attrs: ((REGULAR_FILE | mode) << 16) >>> 0 }],
    ]),
  );
  return zipSync(files, { level, mtime: asLocal(time) });
}

/** A zip holds a time without its zone: it is the same everywhere when it is that of UTC. */
function asLocal(time: Date): Date {
  return new Date(time.getTime() + time.getTimezoneOffset() * 60_000);
}

function sorted(members: readonly Member[]): Member[] {
  return members.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}
