import { describe, expect, test } from "bun:test";
import { checkCompatibility, normalizeVersion } from "../../src/protocol/compatibility.ts";

const judge = (version: string | undefined, minimum = "0.7.0") =>
  checkCompatibility(version, "1.0.0", minimum);

describe("versions claude-mpm really sends", () => {
  const accepted = [
    "0.7.0",
    "0.7.0-dev",
    "0.10.0",
    "4.0.20.dev3",
    "4.1.0rc1",
    "5.0.0.post1",
    "4.0.20+build.5",
    "v6.1.2",
    "1.2",
  ];
  for (const version of accepted) {
    test(`${version} is compatible`, () =>
      expect(judge(version)).toMatchObject({ compatible: true, warnings: [] }));
  }

  const tooOld = ["0.6.9", "0.6.9.post1", "0.7.0rc1", "0.7.0.dev1", "0.7.0-beta.1"];
  for (const version of tooOld) {
    test(`${version} is too old`, () => {
      const { compatible, warnings } = judge(version);
      expect(compatible).toBe(false);
      expect(warnings).toHaveLength(1);
    });
  }

  const unreadable = ["unknown", "banana", "", "1..2", "4.0.0; rm -rf", "9".repeat(200)];
  for (const version of unreadable) {
    test(`${JSON.stringify(version.slice(0, 20))} is no version: incompatible with one warning`, () => {
      const { compatible, warnings } = judge(version);
      expect(compatible).toBe(false);
      expect(warnings).toHaveLength(1);
    });
  }

  test("no version at all counts as compatible", () => {
    expect(judge(undefined)).toMatchObject({ compatible: true, client_version: "unknown" });
  });

  test("the configured minimum narrows the matrix", () => {
    expect(judge("4.9.0", "5.0.0").compatible).toBe(false);
    expect(judge("5.0.0", "5.0.0").compatible).toBe(true);
    expect(judge("0.6.0", "0.5.0").compatible).toBe(false);
  });

  test("the answer names what the server offers", () => {
    expect(judge("0.7.0")).toEqual({
      compatible: true,
      server_version: "1.0.0",
      client_version: "0.7.0",
      warnings: [],
      supported_features: [
        "persistent_server",
        "version_compatibility",
        "process_isolation",
        "health_monitoring",
        "event_namespacing",
      ],
      requirements: { min_python: "3.8", socketio_min: "5.11.0" },
    });
  });
});

test("PEP 440 versions sort as PEP 440 says", () => {
  // https://peps.python.org/pep-0440/#summary-of-permitted-suffixes-and-relative-ordering
  const ascending = [
    "1.0.dev1",
    "1.0a1.dev2",
    "1.0a1",
    "1.0b2",
    "1.0rc1",
    "1.0",
    "1.0.1.dev5",
    "1.0.1",
    "1.10.0",
  ];
  const normalized = ascending.map((version) => normalizeVersion(version) as string);
  expect(normalized.every(Boolean)).toBe(true);
  expect(normalized.toSorted(Bun.semver.order)).toEqual(normalized);
});
