/** Loaded before all test files; where they run in several processes, before each. */
import { afterAll } from "bun:test";
import { cleanUp } from "./cleanup.ts";

afterAll(cleanUp);
