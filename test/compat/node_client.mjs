// A stock socket.io-client on Node, told what to do by JSON lines on its standard input.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const { url, transports } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const socket = io(url, { transports, reconnectionDelay: 20, reconnectionDelayMax: 100 });
socket.io.on("open", () => {
  const { engine } = socket.io;
  say({ at: "open", transport: engine.transport.name });
  engine.on("upgrade", ({ name }) => say({ at: "upgrade", transport: name }));
});
socket.on("connect", () => say({ at: "connect", sid: socket.id }));
socket.on("disconnect", (reason) => say({ at: "disconnect", reason }));
socket.onAny((event, ...args) => say({ event, args }));

for await (const line of createInterface({ input: process.stdin })) {
  const { n, name, args = [] } = JSON.parse(line);
  const reply = (...answer) => say({ reply: n, answer });
  socket.emit(name, ...args, reply);
}
socket.disconnect();
