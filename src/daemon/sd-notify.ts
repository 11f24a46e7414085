/**
 * What systemd is told of a service of `Type=notify`: that it is ready, that it stops, and again and again that its
 * event loop turns (https://www.freedesktop.org/software/systemd/man/sd_notify.html). That takes a datagram to a Unix
 * socket, which Bun cannot send; libc can.
 */

export interface ServiceManager {
  /** It takes traffic. From here on systemd waits for a sign of life, where the unit has a watchdog. */
  ready(): void;
  /** It has begun to stop, which takes so many seconds more than it usually does. */
  stopping(longer: number): void;
}

/** As the unit has it (`TimeoutStopSec`). */
const STOP_SECONDS = 15;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2_000_000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/**
 * The service manager that runs this process; null where none wants to be told, and then nothing is loaded.
 *
 * @param env the variables that systemd sets
 */
export function serviceManager(env: Record<string, string | undefined>): ServiceManager | null {
  const { NOTIFY_SOCKET: socket = "", WATCHDOG_USEC: usec = "", WATCHDOG_PID: pid = "" } = env;
  if (process.platform !== "linux" || !/^[/@]./.test(socket)) return null;
  const send = openSocket(socket);
  // The variables reach the children of a service as well; its watchdog is for one process.
  const watchdogMs = pid === "" || pid === `${process.pid}` ? Number(usec) / 1000 : 0;
  let watchdog: Timer | undefined;
  return {
    ready() {
      send("READY=1");
      // systemd asks for twice as often as it looks.
      if (watchdogMs > 0) watchdog = setInterval(() => send("WATCHDOG=1", MSG_DONTWAIT), watchdogMs / 2);
    },
    stopping(longer) {
      clearInterval(watchdog);
      const limit = (longer + STOP_SECONDS) * 1_000_000;
      send(longer === 0 ? "STOPPING=1" : `STOPPING=1\nEXTEND_TIMEOUT_USEC=${limit}`);
    },
  };
}

/** Loaded where it is used: whoever is run by nobody does without. */
const ffi = (): typeof import("bun:ffi") => require("bun:ffi");

/** Throws where there is no libc to be had. */
function openSocket(path: string): (message: string, flags?: number) => void {
  const { ptr } = ffi();
  const libc = openLibc();
  const descriptor = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  // A name that begins with @ is in no directory, and has a zero byte in its place.
  const name = Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
  const address = Buffer.concat([new Uint8Array(Uint16Array.of(AF_UNIX).buffer), name]);
  return (message, flags = 0) => {
    const bytes = Buffer.from(message);
    libc.sendto(descriptor, ptr(bytes), bytes.length, flags | MSG_NOSIGNAL, ptr(address), address.length);
  };
}

function openLibc() {
  const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
  const symbols = {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
  } as const;
  try {
    return ffi().dlopen("libc.so.6", symbols).symbols;
  } catch {
    return ffi().dlopen(`libc.musl-${architecture}.so.1`, symbols).symbols;
  }
}
