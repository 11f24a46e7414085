#!/usr/bin/env node
// Runs the program of the package that npm has chosen for this machine, and gets out of its way.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { constants } from "node:os";

const PRODUCT = "claude-mpm-socketio";

const target = targetHere();
const program = find(target);
if (program === null) {
  process.stderr.write(
    `There is no program for ${target}: the package @${PRODUCT}/${target} is missing\n` +
      `Install ${PRODUCT} again on this machine, without --omit=optional; other ways: https://github.com/bobmatnyc/${PRODUCT}\n`,
  );
  process.exit(1);
}

const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });

// On a terminal the kernel gives these to the program as well, and twice is once too many.
const FROM_THE_TERMINAL = new Set(["SIGINT", "SIGQUIT"]);
for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"]) {
  if (process.platform === "win32" && !["SIGHUP", "SIGINT"].includes(signal)) continue;
  process.on(signal, () => {
    if (!(FROM_THE_TERMINAL.has(signal) && process.stdin.isTTY)) child.kill(signal);
  });
}

child.on("error", (error) => {
  process.stderr.write(`${program} cannot be run: ${error.message}\nInstall ${PRODUCT} again\n`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // For signals that Node does not die of.
  setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100);
});

function targetHere() {
  const { platform, arch } = process;
  const name = `${platform === "win32" ? "windows" : platform}-${arch}`;
  return platform === "linux" && isMusl() ? `${name}-musl` : name;
}

function isMusl() {
  // Without it, a report looks up the names of connections.
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime === undefined;
}

function find(name) {
  try {
    const extension = process.platform === "win32" ? ".exe" : "";
    return createRequire(import.meta.url).resolve(`@${PRODUCT}/${name}/bin/${PRODUCT}${extension}`);
  } catch {
    return null;
  }
}
