// Development only: `npm run feed -- --hosts 10000 [--port 6199] [--path /sub/]` serves dist/ as the
// collector does (same Content-Security-Policy) and plays a recorded feed of a simulated fleet, from its
// beginning to each viewer: the same frames at the same times in every run.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';
import { graphOf } from './graph.mjs';
import { Recording } from './recording.mjs';
import { SimulatedFleet } from './simulated.mjs';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '3' },
    port: { type: 'string', default: '6199' },
    path: { type: 'string', default: '/' },
    changes: { type: 'string', default: '10' },
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
/** Whoever is on this machine may do all. */
const LOCAL = {
  principal: { kind: 'local', name: null, role: 'admin' },
  credentials_demanded: false,
  first_admin_needed: false,
  expires_at: null,
};
const dist = new URL('../dist/', import.meta.url).pathname;
const fleet = new SimulatedFleet(Number(values.hosts));
const recording = new Recording(fleet, Number(values.changes));

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://feed');
  if (!url.pathname.startsWith(values.path)) return answer(response, 404, 'text/plain', 'no');
  const path = url.pathname.slice(values.path.length);
  const host = /^api\/v1\/hosts\/([^/]+)$/.exec(path);
  if (host) {
    const found = fleet.detail(decodeURIComponent(host[1]), Date.now());
    return answer(response, found ? 200 : 404, 'application/json', JSON.stringify(found ?? {}));
  }
  if (path === 'api/v1/session') {
    return answer(response, 200, 'application/json', JSON.stringify(LOCAL));
  }
  if (path === 'api/v1/services') {
    const services = fleet.servicesOf(url.searchParams.get('host'), Date.now());
    return answer(response, 200, 'application/json', JSON.stringify({ services }));
  }
  if (path === 'api/v1/graph') {
    return answer(response, 200, 'application/json', JSON.stringify(graphOf(fleet)));
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
  let watched = [];
  let second = 0;
  socket.on('message', (text) => {
    const message = JSON.parse(text);
    if (message.type === 'watch') watched = message.hosts;
  });
  const stop = recording.play((text) => socket.send(text));
  const timer = setInterval(() => {
    second++;
    if (watched.length > 0) socket.send(recording.samples(watched, second));
  }, 1000);
  socket.on('close', () => {
    stop();
    clearInterval(timer);
  });
});

server.listen(Number(values.port), '127.0.0.1', () => {
  // With port 0 the system picks one.
  console.log(`listening on http://127.0.0.1:${server.address().port}${values.path}`);
});
