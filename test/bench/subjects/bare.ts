/** The limit: a bare Bun.serve that publishes frames of a given length, and acknowledges each event. */
import { argv } from "node:process";

const length = Number(argv[2]);
const frame = "x".repeat(length);
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("bare")),
  websocket: {
    open: (ws) => void ws.subscribe("all"),
    message(ws, message) {
      const [, number] = /^42(\d+)/.exec(String(message)) ?? [];
      if (number === undefined) return;
      ws.publish("all", frame);
      ws.send(`43${number}[{"ok":true}]`);
    },
  },
});
process.stdout.write(`${server.port}\n`);
