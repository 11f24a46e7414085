// Collects garbage on SIGUSR2: loaded ahead of each subject whose memory is measured, on Bun and on Node.
process.on("SIGUSR2", () => (globalThis.Bun ? Bun.gc(true) : globalThis.gc()));
