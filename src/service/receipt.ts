/** What was installed, beside the configuration file: what `uninstall` may remove, and where `status` asks. */
import { readText, writeWhole } from "./file.ts";

export interface Receipt {
  /** The program that was copied; null when it was used where it stood. */
  program: string | null;
  /** The configuration file the service reads; null when it has none. */
  configFile: string | null;
  stateDir: string;
  host: string;
  port: number;
  /** The flags in the definition; older receipts have none. */
  args?: string[];
}

/** Null where there is none, or none that is whole. */
export function readReceipt(path: string): Receipt | null {
  try {
    const receipt: unknown = JSON.parse(readText(path) ?? "null");
    if (!isReceipt(receipt)) return null;
    const { args, ...rest } = receipt;
    return isTexts(args) ? { ...rest, args } : rest;
  } catch {
    return null;
  }
}

export function writeReceipt(path: string, receipt: Receipt): void {
  writeWhole(path, `${JSON.stringify(receipt, null, 2)}\n`, 0o644);
}

function isReceipt(value: unknown): value is Receipt {
  if (typeof value !== "object" || value === null) return false;
  const { program, configFile, stateDir, host, port } = value as Record<keyof Receipt, unknown>;
  const isTextOrNull = (part: unknown) => part === null || typeof part === "string";
  return (
    isTextOrNull(program) &&
    isTextOrNull(configFile) &&
    typeof stateDir === "string" &&
    typeof host === "string" &&
    Number.isSafeInteger(port)
  );
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
