/** Whether long and large runs go at their full figure: `bun run test:soak`. */
export const SOAK = process.env.SOAK === "1";
