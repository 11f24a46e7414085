/** The house's import rules, each with its reason. CONTRIBUTING.md shows the same as a map. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const SRC = join(import.meta.dir, "..", "src");

interface Import {
  /** Path below src, or a package's name. */
  target: string;
  local: boolean;
  typeOnly: boolean;
  /** Loaded when the code comes to it. */
  dynamic: boolean;
}

const files = [...new Bun.Glob("**/*.{ts,tsx}").scanSync(SRC)].toSorted();
const imports = new Map(files.map((file) => [file, importsOf(file)]));

const FACE_MAY = [
  "hub",
  "auth",
  "protocol",
  "logging.ts",
  "version.ts",
  "server/context.ts",
  "server/whole.ts",
  "server/figures.ts",
  "metrics.ts",
  "server/errors.ts",
  "server/limits.ts",
  "server/request-id.ts",
  "log/log.ts",
];

/** Not imported before it is asked for; a build puts the page itself in its place. */
const DASHBOARD_PAGE = "dashboard/page.ts";

/** Rooms and the rooms they may import, longest prefix first. A room may always import itself. */
const ROOMS: { room: string; may: string[]; because: string }[] = [
  { room: "protocol", may: [], because: "what both ends agree on has no I/O and depends on nothing" },
  {
    room: "config",
    may: ["protocol"],
    because: "every part is configured, so configuration is below every part",
  },
  {
    room: "log/redis",
    may: ["log", "protocol", "redis"],
    because: "one kind of log is kept elsewhere",
  },
  { room: "log", may: ["protocol"], because: "a log stores events; it knows nothing of who asks" },
  {
    room: "log/redis",
    may: ["log", "protocol", "redis"],
    because: "the log on Redis is the only one that needs a network",
  },
  {
    room: "auth",
    may: ["protocol"],
    because: "a guard judges requests; it must be usable in front of any surface",
  },
  {
    room: "client",
    may: ["protocol"],
    because: "it is published for browsers and Node, so no server code may get in",
  },
  {
    room: "embedded/server.ts",
    may: ["app.ts", "config", "protocol", "version.ts"],
    because: "a server in another program is the same app; who only wants one loads no client for it",
  },
  {
    room: "embedded",
    may: ["client", "config", "daemon/endpoint.ts", "protocol", "version.ts"],
    because: "the factory sends through the client everyone gets, whichever server there is",
  },
  {
    room: "sessions",
    may: ["protocol"],
    because: "what events mean is the same on the server, in a terminal and in a browser",
  },
  {
    room: "hub",
    may: ["protocol", "sessions", "log/log.ts"],
    because: "the hub works on any log: it knows the interface, never a kind",
  },

  {
    room: "cluster",
    may: ["protocol", "redis"],
    because: "servers ask each other; what is asked and answered is none of its business",
  },
  {
    room: "redis",
    may: ["protocol"],
    because: "one folder knows how Redis is reached, whatever is kept there",
  },
  {
    room: "server/http/routes/dashboard.ts",
    may: [DASHBOARD_PAGE, "server/http/route.ts"],
    because: "one route serves the dashboard, and knows no more of it than that it is a text",
  },
  {
    room: DASHBOARD_PAGE,
    may: [],
    because: "it runs on the server, where nothing else of the dashboard does",
  },
  {
    room: "dashboard",
    may: ["client/connection.ts", "client/position.ts", "protocol", "sessions"],
    because: "it runs in a browser, and talks to the server as every client does",
  },
  ...["server/http", "server/realtime"].map((room) => {
    return { room, may: FACE_MAY, because: "the two faces of the server never know of each other" };
  }),
  {
    room: "server/tls.ts",
    may: ["server", "config/tls.ts", "protocol", "logging.ts"],
    because: "whoever renews a certificate reads the files anew",
  },
  {
    room: "server",
    may: "cluster/cluster.ts health/event-loop.ts hub auth protocol logging.ts metrics.ts version.ts".split(
      " ",
    ),
    because: "the listener joins both faces",
  },
  { room: "metrics.ts", may: [], because: "it knows metrics by name, and nothing of what is measured" },
  {
    room: "access.ts",
    may: ["auth", "config", "logging.ts", "protocol"],
    because: "access control is put together from what is configured before there is a server",
  },
  {
    room: "private-files.ts",
    may: ["protocol/hinted-error.ts"],
    because: "what is private is so for a server, its commands and its hooks alike",
  },
  {
    room: "state-dir.ts",
    may: ["config", "log/lock.ts", "private-files.ts", "protocol/hinted-error.ts"],
    because: "a server's directory is opened before there is a server",
  },
  {
    room: "health",
    may: ["hub", "hooks/spool.ts", "logging.ts", "protocol"],
    because: "it looks at the parts of a server from outside; none of them knows that it is looked at",
  },
  { room: "logging.ts", may: [], because: "everything logs, so logging depends on nothing" },
  {
    room: "release",
    may: ["protocol/hinted-error.ts"],
    because: "what a release is called is known to builds and installers as well as to the program",
  },
  {
    room: "service",
    may: "config/env.ts config/paths.ts hooks/settings/program.ts protocol/hinted-error.ts release".split(
      " ",
    ),
    because: "a service manager is told what to run, by a path that lasts; that needs nothing of what is run",
  },
  {
    room: "version.ts",
    may: ["release/targets.ts"],
    because: "constants of the build depend on nothing else",
  },
  {
    room: "app.ts",
    may: "access.ts auth cluster config health hooks hub log logging.ts protocol server state-dir.ts version.ts".split(
      " ",
    ),
    because: "the composition root is the one place that knows all parts of a server",
  },
  {
    room: "daemon/run.ts",
    may: ["app.ts", "config", "daemon", "protocol", "version.ts"],
    because: "one file of the daemon loads the server",
  },
  {
    room: "daemon",
    may: ["auth/local-token.ts", "client/http.ts", "config", "log/lock.ts", "private-files.ts", "protocol"],
    because: "finding and stopping a server must not load one",
  },
  {
    room: "hooks/settings",
    may: ["protocol"],
    because: "other programs' settings are edited by what is in them, whatever our own are",
  },
  {
    room: "hooks",
    may: "config daemon/instance-text.ts daemon/linux-port.ts daemon/linux-process.ts log/lock.ts private-files.ts protocol".split(
      " ",
    ),
    because: "a hook is over before a client or a server would be loaded; it knows one by its files",
  },
  {
    room: "cli/commands/run.ts",
    may: ["cli", "client", "config", "daemon", "hooks/spool.ts", "embedded/server.ts", "protocol"],
    because: "only a command that goes on for long may bring a server into its own process",
  },
  {
    room: "cli/doctor/redis-checks.ts",
    may: ["cli", "config", "protocol", "redis"],
    because: "only the doctor asks Redis itself, before there is a server that does",
  },
  {
    room: "cli",
    may: "auth/local-token.ts auth/public-key.ts auth/scopes.ts auth/token-file.ts client daemon config hooks log/lock.ts log/version.ts metrics.ts private-files.ts protocol release service sessions version.ts".split(
      " ",
    ),
    because: "the CLI talks to the server through the client everyone gets; it has no private door",
  },
  {
    room: "main.ts",
    may: ["cli", "hooks/hook.ts", "version.ts"],
    because: "the entry loads nothing before it knows the command",
  },
];

/** Packages and who owns them; by longest match of the package's name. */
const OWNERS: { package: string; owners: string[] }[] = [
  { package: "hono", owners: ["server/http"] },
  { package: "hono/jwt", owners: ["auth/jwt.ts"] },
  { package: "socket.io/package.json", owners: ["version.ts"] },
  { package: "socket.io-adapter", owners: ["server/realtime/broadcast-adapter.ts"] },
  { package: "socket.io-parser", owners: ["server/realtime/parser.ts"] },
  { package: "socket.io", owners: ["server/realtime"] },
  { package: "@socket.io/bun-engine", owners: ["server/realtime/engine.ts"] },
  { package: "socket.io-client", owners: ["client"] },
  { package: "semver", owners: ["protocol/compatibility.ts"] },
  { package: "consola", owners: ["logging.ts"] },
  { package: "prom-client", owners: ["metrics.ts"] },
  { package: "citty", owners: ["cli"] },
  // Settings of other programs are edited where they stand, so that all the rest of the file stays as it is.
  { package: "jsonc-parser", owners: ["config", "hooks/settings"] },
  { package: "bun:sqlite", owners: ["log"] },
  { package: "ioredis", owners: ["redis"] },
  { package: "fflate", owners: ["release"] },
  { package: "bun:ffi", owners: ["daemon/sd-notify.ts", "daemon/windows-process.ts"] },
  { package: "build/dashboard.ts", owners: [DASHBOARD_PAGE] },
  ...["preact", "@preact/signals", "uplot", "diff"].map((name) => {
    return { package: name, owners: ["dashboard"] };
  }),
];

/** What only one file may touch. */
const WORDS: { pattern: RegExp; owners: string[]; because: string }[] = [
  {
    pattern: /\bprocess\.env\b|\bBun\.env\b/,
    owners: ["config/env.ts"],
    because: "configuration has one door",
  },
  { pattern: /\bprocess\.exit\b/, owners: ["main.ts"], because: "only the entry may end the process" },
  {
    pattern: /\bconsole\.\w+\(/,
    owners: [],
    because: "the terminal belongs to cli/output.ts, the log to logging.ts",
  },
];

describe("rooms", () => {
  test("every file of src stands in a room that has a rule", () => {
    expect(files.filter((file) => roomOf(file) === null)).toEqual([]);
  });

  for (const { room, may, because } of ROOMS) {
    test(`${room} imports only ${["itself", ...may].join(", ")}: ${because}`, () => {
      const strays = filesOf(room).flatMap((file) => {
        return localImports(file)
          .filter(({ target }) => !within(target, room) && !may.some((allowed) => within(target, allowed)))
          .map(({ target }) => `${file} → ${target}`);
      });
      expect(strays).toEqual([]);
    });
  }

  test("nothing imports in a circle", () => {
    expect(findCycle()).toEqual([]);
  });
});

describe("packages", () => {
  for (const { package: name, owners } of OWNERS) {
    test(`only ${owners.join(", ")} imports ${name}`, () => {
      const strays = files.filter((file) => {
        const uses = (imports.get(file) ?? []).some(
          ({ local, target }) => !local && ownerEntry(target)?.package === name,
        );
        return uses && !owners.some((owner) => within(file, owner));
      });
      expect(strays).toEqual([]);
    });
  }

  test("every package has an owner", () => {
    const packages = files.flatMap((file) =>
      (imports.get(file) ?? []).filter(({ local }) => !local).map(({ target }) => target),
    );
    expect(packages.filter((name) => !name.startsWith("node:") && !ownerEntry(name))).toEqual([]);
  });
});

describe("doors", () => {
  for (const { pattern, owners, because } of WORDS) {
    test(`${pattern.source} stands only in ${owners.join(", ") || "no file"}: ${because}`, () => {
      const strays = files.filter((file) => pattern.test(read(file)) && !owners.includes(file));
      expect(strays).toEqual([]);
    });
  }
});

describe("the client library", () => {
  test("imports nothing a browser does not have: client/index.ts is what pages get", () => {
    const { local: reached, packages } = loadedWith("client/index.ts");
    expect(reached).toContain("client/manager.ts");
    expect(packages.filter((name) => !/^(socket\.io-client|semver\/.*)$/.test(name))).toEqual([]);
    expect(reached.filter((file) => /\b(Bun|process|Buffer)\.\w/.test(read(file)))).toEqual([]);
  });
});

describe("the dashboard", () => {
  test("imports nothing a browser does not have", () => {
    const { local: reached, packages } = loadedWith("dashboard/main.tsx");
    expect(reached).toContain("dashboard/app.tsx");
    expect(packages.filter((name) => name.startsWith("node:") || name.startsWith("bun"))).toEqual([]);
    expect(reached.filter((file) => /\b(Bun|process|Buffer)\.\w/.test(read(file)))).toEqual([]);
  });

  test("makes nothing markup: all that events hold is text", () => {
    const markup = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/;
    const own = files.filter((file) => file.startsWith("dashboard/"));
    expect(own.filter((file) => markup.test(read(file)))).toEqual([]);
  });
});

describe("the sessions", () => {
  test("use nothing a browser does not have, and nothing that Safari 16 has not", () => {
    const reached = [...new Set(filesOf("sessions").flatMap((file) => loadedWith(file).local))];
    const packages = filesOf("sessions").flatMap((file) => loadedWith(file).packages);
    expect(reached).toContain("protocol/event.ts");
    expect(packages).toEqual([]);
    const lookbehindOrIteratorHelper = /\(\?<[=!]|\.(values|keys|entries)\(\)\s*\.(?!next\b)\w+\(/;
    for (const pattern of [/\b(Bun|process|Buffer)\.\w/, lookbehindOrIteratorHelper]) {
      expect(reached.filter((file) => pattern.test(read(file)))).toEqual([]);
    }
  });
});

describe("the light start", () => {
  test("the entry loads nothing but constants and the hook", () => {
    expect(
      localImports("main.ts")
        .filter(({ dynamic }) => !dynamic)
        .map(({ target }) => target),
    ).toEqual(["hooks/hook.ts", "version.ts"]);
  });

  test("hook loads only what is small", () => {
    const { local, packages } = loadedWith("hooks/hook.ts");
    // `node:fs` takes 1.4 ms, `node:crypto` 2.7, `node:child_process` 0.6, and a hook has about 3 for all it does.
    expect(packages).toEqual(["node:path"]);
    expect(local.filter((file) => /^(cli|client|hub|log|server)\b/.test(file))).toEqual([]);
    expect(local.length).toBeLessThan(25);
  });

  test("every command is loaded only when it is called", () => {
    const eager = [...read("cli/tree.ts").matchAll(/^import .*commands\//gm)];
    expect(eager).toEqual([]);
  });
});

function read(file: string): string {
  return readFileSync(join(SRC, file), "utf8");
}

function importsOf(file: string): Import[] {
  const source = readFileSync(join(SRC, file), "utf8");
  const pattern =
    /^\s*(?:import|export)\s+(type\s)?[^"';]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;
  return [...source.matchAll(pattern)].map(([, type, from, bare, dynamic]) => {
    const specifier = from ?? bare ?? dynamic ?? "";
    const local = specifier.startsWith(".");
    const path = local ? normalize(join(dirname(file), specifier)) : specifier;
    // What is imported as a file out of a package or the project's root belongs to that package.
    const outside = path.startsWith("..");
    const name = outside ? path.replace(/^(\.\.\/)+(node_modules\/)?/, "") : path;
    return {
      target: name,
      local: local && !outside,
      typeOnly: type !== undefined,
      dynamic: dynamic !== undefined,
    };
  });
}

function localImports(file: string): Import[] {
  return (imports.get(file) ?? []).filter(({ local }) => local);
}

/** What is loaded together with a file: all that it, and what it imports, names other than as a type or dynamically. */
function loadedWith(entry: string): { local: string[]; packages: string[] } {
  const local = new Set([entry]);
  const packages = new Set<string>();
  for (const file of local) {
    for (const { target, local: isLocal, typeOnly, dynamic } of imports.get(file) ?? []) {
      if (!typeOnly && !dynamic) (isLocal ? local : packages).add(target);
    }
  }
  return { local: [...local], packages: [...packages] };
}

function within(file: string, room: string): boolean {
  return file === room || file.startsWith(`${room}/`);
}

/** The most specific room: `daemon/run.ts` before `daemon`. */
function roomOf(file: string): string | null {
  const rooms = ROOMS.map(({ room }) => room).filter((room) => within(file, room));
  return rooms.toSorted((a, b) => b.length - a.length)[0] ?? null;
}

function filesOf(room: string): string[] {
  return files.filter((file) => roomOf(file) === room);
}

function ownerEntry(name: string): (typeof OWNERS)[number] | undefined {
  if (name === "package.json") return { package: name, owners: ["version.ts"] };
  return OWNERS.filter((entry) => name === entry.package || name.startsWith(`${entry.package}/`)).toSorted(
    (a, b) => b.package.length - a.package.length,
  )[0];
}

function findCycle(): string[] {
  const done = new Set<string>();
  const visit = (file: string, path: string[]): string[] => {
    const seen = path.indexOf(file);
    if (seen !== -1) return [...path.slice(seen), file];
    if (done.has(file)) return [];
    for (const { target, typeOnly } of localImports(file)) {
      if (typeOnly || !imports.has(target)) continue;
      const cycle = visit(target, [...path, file]);
      if (cycle.length > 0) return cycle;
    }
    done.add(file);
    return [];
  };
  for (const file of files) {
    const cycle = visit(file, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}
