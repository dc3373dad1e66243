// Development only: `npm run feed -- --hosts 10000 [--port 6199] [--path /sub/]` serves dist/ as the
// collector does (same Content-Security-Policy) and plays a simulated fleet over the live feed.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';
import { SimulatedFleet } from './simulated.mjs';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '3' },
    port: { type: 'string', default: '6199' },
    path: { type: 'string', default: '/' },
    changes: { type: 'string', default: '1' },
    strict: { type: 'boolean', default: false },
  },
});
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'" +
  (values.strict ? '; trusted-types svelte-trusted-html' : '');
const KINDS = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const dist = new URL('../dist/', import.meta.url).pathname;
const fleet = new SimulatedFleet(Number(values.hosts));

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://feed');
  if (!url.pathname.startsWith(values.path)) return answer(response, 404, 'text/plain', 'no');
  const path = url.pathname.slice(values.path.length);
  const host = /^api\/v1\/hosts\/([^/]+)$/.exec(path);
  if (host) {
    const found = fleet.host(decodeURIComponent(host[1]));
    return answer(response, found ? 200 : 404, 'application/json', JSON.stringify(found ?? {}));
  }
  if (path === 'api/v1/services') {
    const services = fleet.servicesOf(url.searchParams.get('host'));
    return answer(response, 200, 'application/json', JSON.stringify({ services }));
  }
  const file = normalize(join(dist, path === '' ? 'index.html' : path));
  if (!file.startsWith(dist)) return answer(response, 404, 'text/plain', 'no');
  try {
    answer(response, 200, KINDS[extname(file)] ?? 'application/octet-stream', await readFile(file));
  } catch {
    answer(response, 404, 'text/plain', 'no such file: is dist/ built?');
  }
});

function answer(response, status, type, body) {
  response.writeHead(status, {
    'content-type': type,
    'content-security-policy': CSP,
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

const sockets = new WebSocketServer({ server, path: `${values.path}api/v1/live` });
sockets.on('connection', (socket) => {
  socket.watched = [];
  socket.on('message', (text) => {
    const message = JSON.parse(text);
    if (message.type === 'watch') socket.watched = message.hosts;
  });
  socket.send(JSON.stringify(fleet.snapshot()));
});
const everyone = (frame) => {
  const text = JSON.stringify(frame);
  for (const socket of sockets.clients) socket.send(text);
};
setInterval(() => {
  fleet.tick();
  for (const socket of sockets.clients) {
    if (socket.watched.length > 0) socket.send(JSON.stringify(fleet.samples(socket.watched)));
  }
}, 1000);
setInterval(() => everyone(fleet.columns()), 2000);
setInterval(() => everyone(fleet.change()), 1000 / Number(values.changes)).unref();

server.listen(Number(values.port), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${values.port}${values.path}`);
});
