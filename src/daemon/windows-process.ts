/**
 * A process as Windows tells of it, asked through its own interface (processthreadsapi.h): starting a shell to ask takes half
 * a second, and not every Windows has one.
 */

export interface WindowsProcess {
  /** ISO 8601, to the millisecond. */
  startTime: string;
  /** In 100 ns since 1601: no two processes of one PID share it. */
  createdAt: bigint;
  /** Path of its program, where this user may see it. */
  program: string | null;
}

const PROCESS_QUERY_LIMITED_INFORMATION = 0x1000;

/** 1601 to 1970, in 100 ns. */
const UNIX_EPOCH = 116_444_736_000_000_000n;

/** MAX_PATH is no limit any more; this one is the file system's, in UTF-16 units. */
const MAX_PATH_UNITS = 32_768;

/** Null when no process has this PID, or only one that has ended. */
export function windowsProcess(pid: number): WindowsProcess | null {
  const { ptr } = ffi();
  const kernel = kernel32();
  const handle = kernel.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid);
  if (handle === null) return null;
  try {
    // Created, ended, in the kernel, in user mode.
    const times = new BigUint64Array(4);
    const at = (index: number) => ptr(times, index * times.BYTES_PER_ELEMENT);
    if (kernel.GetProcessTimes(handle, at(0), at(1), at(2), at(3)) === 0) return null;
    const [createdAt = 0n, endedAt = 0n] = times;
    if (endedAt !== 0n) return null;
    const startTime = new Date(Number((createdAt - UNIX_EPOCH) / 10_000n)).toISOString();
    return { startTime, createdAt, program: programOf(handle) };
  } finally {
    kernel.CloseHandle(handle);
  }
}

function programOf(handle: Handle): string | null {
  const { ptr } = ffi();
  const path = new Uint16Array(MAX_PATH_UNITS);
  const length = new Uint32Array([MAX_PATH_UNITS]);
  if (kernel32().QueryFullProcessImageNameW(handle, 0, ptr(path), ptr(length)) === 0) return null;
  return new TextDecoder("utf-16le").decode(path.subarray(0, length[0]));
}

/** Loaded where it is used: other systems, and commands that look at no process, do without. */
const ffi = (): typeof import("bun:ffi") => require("bun:ffi");

type Kernel32 = ReturnType<typeof open>["symbols"];
type Handle = NonNullable<ReturnType<Kernel32["OpenProcess"]>>;

let opened: Kernel32 | null = null;

function kernel32(): Kernel32 {
  return (opened ??= open().symbols);
}

function open() {
  return ffi().dlopen("kernel32.dll", {
    OpenProcess: { args: ["u32", "i32", "u32"], returns: "ptr" },
    GetProcessTimes: { args: ["ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
    QueryFullProcessImageNameW: { args: ["ptr", "u32", "ptr", "ptr"], returns: "i32" },
    CloseHandle: { args: ["ptr"], returns: "i32" },
  });
}
