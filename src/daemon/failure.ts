/** Explains why a server could not start: what failed, and what to do next. */
import { createServer } from "node:net";
import { findServer, type ServerAddress } from "./find.ts";
import { findPortHolder, type PortHolder } from "./port-holder.ts";

export interface Failure {
  exitCode: number;
  message: string;
  hint: string;
}

/** What to do about a server that says nothing without a token. */
export const GIVE_TOKEN =
  "Give one that it knows: CLAUDE_MPM_SOCKETIO_TOKEN=…; its owner makes one: claude-mpm-socketio token create";

const LAST_PORT = 65_535;

/** Looks at what holds the port before it says so: a listen error alone often names the wrong reason. */
export async function explainStartError(error: unknown, address: ServerAddress): Promise<Failure> {
  const { code, message, hint } = error as { code?: string; message: string; hint?: string };
  const { host, port } = address;
  if (hint !== undefined) return { exitCode: 1, message, hint };
  if (["EADDRNOTAVAIL", "EINVAL", "ENOTCONN", "ENOTFOUND", "ENOENT"].includes(code ?? "")) {
    return {
      exitCode: 1,
      message: `"${host}" is no address of this machine`,
      hint: "Use --host localhost, or an address that `ip addr` or `ifconfig` lists",
    };
  }
  if (
    code === "EACCES" ||
    (code === "EADDRINUSE" && port > 0 && port < 1024 && findPortHolder(port) === null)
  ) {
    return {
      exitCode: 1,
      message: `This user may not listen on port ${port}`,
      hint: `Use a port from 1024 on: --port ${await freePortAfter(8764)}`,
    };
  }
  if (code === "EADDRINUSE") return explainTakenPort(address);
  return {
    exitCode: 1,
    message: `The server cannot start: ${message}`,
    hint: "Run `claude-mpm-socketio doctor`",
  };
}

async function explainTakenPort(address: ServerAddress): Promise<Failure> {
  const { port } = address;
  const found = await findServer(address);
  if (found.state === "running") {
    return {
      exitCode: 1,
      message: `A server already runs on port ${port} (PID ${found.pid}, ${found.health.server_id})`,
      hint: "Use it, or stop it: claude-mpm-socketio stop",
    };
  }
  if (found.state === "guarded") {
    return {
      exitCode: 1,
      message: `A server that asks for a token already runs on port ${port}`,
      hint: `${GIVE_TOKEN}; or use another port: --port ${await freePortAfter(port)}`,
    };
  }
  const holder = found.state === "foreign" ? found.holder : findPortHolder(port);
  return {
    exitCode: 1,
    message: `Port ${port} is taken by ${describeHolder(holder)}`,
    hint: `Use another port: --port ${await freePortAfter(port)}`,
  };
}

export function describeHolder(holder: PortHolder | null): string {
  if (holder === null) return "another program, which the system does not name to this user";
  return `PID ${holder.pid}${holder.command === null ? "" : ` (${holder.command})`}`;
}

/** The next port that nothing listens on. */
async function freePortAfter(port: number): Promise<number> {
  for (let candidate = port + 1; candidate < LAST_PORT; candidate += 1) {
    if (await isFree(candidate)) return candidate;
  }
  return 0;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
