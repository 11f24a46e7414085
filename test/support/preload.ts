/** Loaded once before all test files: what ends with the whole run. */
import { afterAll, setDefaultTimeout } from "bun:test";
import { removeBinary } from "./binary.ts";

setDefaultTimeout(60_000);
afterAll(removeBinary);
