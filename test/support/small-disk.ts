/** A file system of so many bytes; root alone can make one. */
import { onEnd } from "./cleanup.ts";
import { temporaryDirectory } from "./temporary.ts";

export interface SmallDisk {
  path: string;
  resize(size: string): void;
}

const mount = (...args: string[]) => Bun.spawnSync(["mount", ...args]).success;

/** Null where it cannot be made. */
export function smallDisk(size: string): SmallDisk | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return null;
  const path = temporaryDirectory();
  if (!mount("-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", path)) return null;
  onEnd(() => Bun.spawnSync(["umount", "--lazy", path]));
  return { path, resize: (next) => void mount("-o", `remount,size=${next}`, path) };
}
