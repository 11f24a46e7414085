/** Loaded once before all test files. */
import { afterAll } from "bun:test";
import { cleanUp } from "./cleanup.ts";

afterAll(cleanUp);
