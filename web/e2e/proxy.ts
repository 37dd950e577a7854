import { connect, createServer, type Socket } from "node:net";
import { BASE } from "./server";

/** A TCP proxy before the server, so that a test can cut the line and mend it. */
export interface Line { url: string; cut(): void; mend(): void; close(): Promise<void> }

export async function openLine(): Promise<Line> {
  const target = new URL(BASE);
  const pairs = new Set<Socket>();
  let whole = true;
  const server = createServer((client) => {
    if (!whole) return void client.destroy();
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      pairs.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        pairs.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    // A cut cable sends no goodbye: the sockets stay open and silent, and nothing new gets through.
    cut() {
      whole = false;
      for (const socket of pairs) {
        socket.unpipe();
        socket.pause();
      }
    },
    mend() {
      whole = true;
      for (const socket of pairs) socket.destroy();
    },
    close: () => new Promise((done) => {
      for (const socket of pairs) socket.destroy();
      server.close(() => done());
    }),
  };
}
