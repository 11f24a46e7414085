/** What doctor says of who may talk to the server. */
import { expect, test } from "bun:test";
import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkAccess, checkExposure, peopleIn } from "../../src/cli/doctor/access-checks.ts";
import { loadConfig } from "../../src/config/load.ts";
import { makeToken } from "../../src/auth/token-file.ts";
import { temporaryDirectory } from "../support/temporary.ts";

function check(settings: Record<string, string>, users: string[] = [], stateDir = temporaryDirectory()) {
  const flags = Object.fromEntries(
    Object.entries({ state_dir: stateDir, ...settings }).map(([key, raw]) => [key, { raw, flag: key }]),
  );
  const loaded = loadConfig({ flags, compiled: true, env: { HOME: stateDir }, dockerFile: false });
  return checkAccess(loaded, { state: "none", stale: null }, users).map(
    ({ status, message }) => `${status}: ${message}`,
  );
}

test("the people of a machine are those who can log in", () => {
  const passwd = [
    "root:x:0:0:root:/root:/bin/bash",
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
    "ada:x:1000:1000:Ada:/home/ada:/bin/bash",
    "bot:x:1001:1001::/srv/bot:/usr/sbin/nologin",
    "bob:x:1002:1002::/home/bob:/usr/bin/fish",
    "",
  ];
  expect(peopleIn(passwd.join("\n"))).toEqual(["ada", "bob"]);
});

test("auth that is off is a warning where several people, or other machines, reach the server", () => {
  expect(check({})).toEqual(["ok: nobody is asked for a token: only this machine reaches localhost"]);
  expect(check({}, ["ada"])).toHaveLength(1);
  expect(check({}, ["ada", "bob"])[0]).toMatch(/^warning: .*several users \(ada, bob\)/);
  expect(check({ auth: "off", host: "0.0.0.0" })[0]).toMatch(/^warning: .*others reach 0\.0\.0\.0/);
  for (const settings of [{ auth: "on" }, { host: "0.0.0.0" }])
    expect(check(settings as never, ["ada", "bob"])[0]).toMatch(/^ok: .*asks for a token; none is made/);
});

test("files that cannot be used, or that others may read, are failures", () => {
  const stateDir = temporaryDirectory();
  const [local, tokens] = [join(stateDir, "local-token"), join(stateDir, "tokens.json")];
  writeFileSync(local, makeToken(), { mode: 0o600 });
  writeFileSync(tokens, "{", { mode: 0o600 });
  expect(check({ auth: "on" }, [], stateDir)).toEqual([
    expect.stringMatching(/^failed: .*tokens\.json cannot/),
  ]);
  writeFileSync(tokens, '{"version":1,"tokens":[]}');
  chmodSync(tokens, 0o640);
  chmodSync(local, 0o644);
  expect(check({ auth: "on" }, [], stateDir)).toHaveLength(2);
  const linked = temporaryDirectory();
  symlinkSync(tokens, join(linked, "tokens.json"));
  expect(check({}, [], linked)).toEqual([expect.stringContaining("symbolic link")]);
});

test("a private key that everybody can read is warned of", () => {
  const stateDir = temporaryDirectory();
  const key = join(stateDir, "key.pem");
  writeFileSync(key, "");
  const look = (mode: number) => {
    chmodSync(key, mode);
    const flags = {
      tls_key: { raw: key, flag: "--tls-key" },
      state_dir: { raw: stateDir, flag: "--state-dir" },
    };
    const loaded = loadConfig({ flags, compiled: true, env: { HOME: stateDir }, dockerFile: false });
    return checkExposure(loaded, { state: "none", stale: null }).map(({ message }) => message);
  };
  expect(look(0o640)).toEqual([]);
  expect(look(0o644)).toEqual([expect.stringContaining("can be read by every user")]);
});
