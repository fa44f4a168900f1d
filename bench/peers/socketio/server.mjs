// One Socket.IO server with the Redis adapter: what is said in a room goes to all who are in it,
// in a frame with the fields that Formula's has. Native WebSocket only, nothing compressed.
import { randomUUID } from "node:crypto";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const { url, port } = JSON.parse(process.argv[2]);
const publisher = createClient({ url });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const io = new Server(port, {
  adapter: createAdapter(publisher, subscriber),
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
});

let pos = 0;
io.on("connection", (socket) => {
  const by = randomUUID();
  const subject = randomUUID();
  socket.on("join", (room) => {
    socket.join(room);
    socket.emit("joined", room);
  });
  socket.on("act", (room, data) => {
    const prev = pos++;
    const at = new Date().toISOString();
    const frame = { room, pos, prev, type: "activity.recorded", by, at, subject, data };
    io.to(room).emit("ev", frame);
  });
});
