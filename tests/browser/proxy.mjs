// A reverse proxy on loopback that serves a collector below a path, WebSocket included, as nginx would.
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';

/** Serves `collector` below `path` (with both slashes) and returns the address there, and its end. */
export async function proxyBelow(path, collector) {
  const { hostname, port } = new URL(collector);
  const below = (url) => (url.startsWith(path) ? `/${url.slice(path.length)}` : null);
  const sockets = new Set();
  const server = createServer((incoming, outgoing) => {
    const to = below(incoming.url);
    if (to === null) return outgoing.writeHead(404).end();
    const { method, headers } = incoming;
    const asked = request({ hostname, port, path: to, method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    asked.on('error', () => outgoing.writeHead(502).end());
    incoming.pipe(asked);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (incoming, socket, head) => {
    const to = below(incoming.url);
    if (to === null) return socket.destroy();
    const upstream = connect(Number(port), hostname, () => {
      const lines = [`GET ${to} HTTP/1.1`];
      for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
        lines.push(`${incoming.rawHeaders[i]}: ${incoming.rawHeaders[i + 1]}`);
      }
      upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [socket, upstream]) {
      end.on('error', () => {
        socket.destroy();
        upstream.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const end = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}${path}`, end };
}
