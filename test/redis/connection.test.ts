/** Connections to Redis that come again by themselves. */
import { expect, test } from "bun:test";
import { connectRedis } from "../../src/redis/connection.ts";
import { onEnd } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";

test.each([
  ["7", "-READONLY You can't write against a read only replica. script: f_1, on @user_script:1.\r\n"],
  [
    "6.2",
    "-ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.\r\n",
  ],
])(
  "a master that has become a replica is left for the one that is it now: as Redis %s says it",
  async (_, refusal) => {
    let connections = 0;
    // Redis 6.2 is nowhere to be had for a test.
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: () => void (connections += 1),
        data(socket, data) {
          for (const [, command] of data.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)/g)) {
            if (command?.toUpperCase() === "INFO") socket.write("$16\r\nredis_version:6.\r\n");
            else socket.write(command?.toUpperCase() === "EVAL" ? refusal : "+OK\r\n");
          }
        },
      },
    });
    onEnd(() => server.stop(true));
    const redis = connectRedis(`redis://127.0.0.1:${server.port}`, { name: "test" });
    onEnd(() => redis.disconnect());
    await eventually(() => redis.status === "ready");
    await redis.eval("return redis.call('SET', 'a', '1')", 0).catch(() => {});
    await eventually(() => connections === 2);
    expect(redis.status).not.toBe("end");
  },
);
