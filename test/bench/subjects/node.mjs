// Stock Socket.IO on Node with ws.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { perMessageDeflate: false });
io.on("connection", (socket) => {
  socket.on("claude_event", (event, acknowledge) => {
    socket.broadcast.emit("claude_event", event);
    acknowledge({ ok: true });
  });
});
http.listen(0, "127.0.0.1", () => process.stdout.write(`${http.address().port}\n`));
