/** A command run to its end. */
export interface Ended {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Nothing when not given. */
  stdin?: string | undefined;
}

/** Runs a command to its end. */
export async function run(argv: readonly string[], { cwd, env, stdin }: CommandOptions = {}): Promise<Ended> {
  const child = Bun.spawn([...argv], {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

/** The output of a command that has to succeed. */
export async function output(argv: readonly string[], options?: CommandOptions): Promise<string> {
  const { exitCode, stdout, stderr } = await run(argv, options);
  if (exitCode !== 0) throw new Error(`${argv.join(" ")} ended with ${exitCode}: ${stderr}${stdout}`);
  return stdout;
}
