/** `bun run build --all`, and what it makes: seven files that are each what their name says. */
import { beforeAll, describe, expect, test } from "bun:test";
import { closeSync, copyFileSync, existsSync, openSync, readdirSync, readSync, rmSync, statSync } from "node:fs";
import { writeSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json" with { type: "json" };
import { TARGETS, type Target } from "../../build.ts";
import { KEYS, SCHEMA } from "../../src/config/schema.ts";
import { type Cpu, missingIn, readElf, readMachO, readPe } from "../support/executables.ts";
import { temporaryDirectory } from "../support/temporary.ts";
