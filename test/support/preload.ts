/** Loaded once before all test files. */
import { afterAll, setDefaultTimeout } from "bun:test";
import { cleanUp } from "./cleanup.ts";

setDefaultTimeout(60_000);
afterAll(cleanUp);
