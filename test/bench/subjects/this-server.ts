/** The product as it is, with the signal that collects garbage, which it has not of its own. */
process.on("SIGUSR2", () => Bun.gc(true));

export const product = await import("../../../src/main.ts");
