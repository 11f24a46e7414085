/** `rediss://`: nobody but the Redis that is meant is told the password. */
import { expect } from "bun:test";
import { join } from "node:path";
import { makeCertificate } from "../support/certificates.ts";
import { freePort } from "../support/ports.ts";
import { startRedis } from "../support/redis.ts";
import { testWith } from "../support/tools.ts";

const CONNECTION = join(import.meta.dir, "..", "..", "src", "redis", "connection.ts");

/** In a process of its own: whom it believes is settled when it starts. */
async function ping(url: string, believed?: string): Promise<string> {
  const script = `
    const { openRedis } = await import(${JSON.stringify(CONNECTION)});
    const said = await openRedis(${JSON.stringify(url)}, { name: "test" }).then(
      async (redis) => [await redis.ping(), redis.disconnect()][0],
      ({ message, hint }) => message + "\\n" + hint,
    );
    await Bun.write(Bun.stdout, said);`;
  const env = { ...process.env, ...(believed === undefined ? {} : { NODE_EXTRA_CA_CERTS: believed }) };
  const child = Bun.spawn([process.execPath, "-e", script], { env, stderr: "inherit" });
  return new Response(child.stdout).text();
}

testWith(
  ["redis-server", "redis-cli", "openssl"],
  "a certificate has to be believed, and of that name",
  async () => {
    const authority = await makeCertificate({ name: "an authority", isAuthority: true });
    const { cert, key } = await makeCertificate({ name: "localhost", issuer: authority });
    const port = await freePort();
    const tls = ["--tls-port", `${port}`, "--tls-cert-file", cert, "--tls-key-file", key];
    await startRedis({ args: [...tls, "--tls-auth-clients", "no"] });
    const url = `rediss://:a-password@localhost:${port}`;
    const refused = await ping(url);
    expect(refused).toMatch(/^Redis at rediss:\/\/localhost:\d+: .*certificate.*\n.*NODE_EXTRA_CA_CERTS/);
    expect(refused).not.toContain("a-password");
    // It is believed by now, and asks for no password.
    expect(await ping(url.replace(":a-password@", ""), authority.cert)).toBe("PONG");
    const other = `rediss://127.0.0.1:${port}`;
    expect(await ping(other, authority.cert)).toMatch(/altnames.*\n.*as its certificate does/);
  },
);
