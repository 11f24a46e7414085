import { closeSync, openSync, statSync, writeSync } from "node:fs";

/** Garbage over a part of a file, given in shares of its length; the rest stays as it is. */
export function damage(path: string, from: number, to: number): void {
  const { size } = statSync(path);
  const [start, end] = [from, to].map((share) => Math.floor((size * share) / 4096) * 4096) as [
    number,
    number,
  ];
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(end - start, 0xa5), 0, end - start, start);
  closeSync(file);
}
