/** What is told of a service, whatever manages it. */
import { expect, test } from "bun:test";
import type { ServiceState } from "../../src/service/manager.ts";
import { runsServer } from "../../src/service/service.ts";

const state: ServiceState = {
  installed: true,
  enabled: true,
  running: true,
  pid: null,
  definition: null,
  program: null,
  failure: null,
};
const receipt = { program: null, configFile: null, stateDir: "/s", host: "localhost", port: 8765 };

test("a manager that tells the PID runs the server with that PID", () => {
  expect(runsServer({ ...state, pid: 7 }, receipt, { pid: 7, port: 9000 })).toBe(true);
  expect(runsServer({ ...state, pid: 7 }, receipt, { pid: 8, port: 8765 })).toBe(false);
});

test("one that tells none runs the server on the port it was installed with, and no other", () => {
  expect(runsServer(state, receipt, { pid: 7, port: 8765 })).toBe(true);
  expect(runsServer(state, receipt, { pid: 7, port: 9000 })).toBe(false);
  expect(runsServer(state, null, { pid: 7, port: 8765 })).toBe(false);
  expect(runsServer({ ...state, running: false }, receipt, { pid: 7, port: 8765 })).toBe(false);
});
