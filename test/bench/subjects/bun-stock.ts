/** Socket.IO on bun-engine with the stock adapter. */
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";

const engine = new Engine({ path: "/socket.io/" });
const io = new Server();
io.bind(engine as never);
io.on("connection", (socket) => {
  socket.on("claude_event", (event: object, acknowledge: (answer: object) => void) => {
    socket.broadcast.emit("claude_event", event);
    acknowledge({ ok: true });
  });
});
const server = Bun.serve({ port: 0, hostname: "127.0.0.1", ...engine.handler(), idleTimeout: 60 });
process.stdout.write(`${server.port}\n`);
