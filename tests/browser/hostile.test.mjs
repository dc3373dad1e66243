// A page of another origin that a person visits while a collector runs on their machine, or while they are
// signed in to one: it changes nothing, reads nothing, is not helped by their cookie, and frames nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { Collector } from './programs.mjs';
import { eventually } from './stage.mjs';

const ANNA = { name: 'anna', password: 'a flock of grey sheep' };
const EVIL = '<!doctype html><title>evil</title><body>';
const FORM = { name: 'planted', type: 'tool', url: 'http://192.0.2.9:1/', ttl_s: 3600 };
/** What a page can ask for without asking first (a simple request), and what it cannot. */
const REQUESTS = [
  ['GET', 'hosts'],
  ['GET', 'services'],
  ['GET', 'session'],
  ['GET', 'events/stream'],
  ['POST', 'services', 'application/json'],
  ['POST', 'services', 'text/plain'],
  ['POST', 'services', 'application/x-www-form-urlencoded'],
  ['POST', 'tokens', 'text/plain'],
  ['POST', 'session', 'text/plain'],
  ['DELETE', 'hosts/x'],
  ['DELETE', 'services/kept'],
];
let evil;
let browser;

before(async () => {
  evil = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(EVIL);
  });
  evil.listen(0, '127.0.0.1');
  await once(evil, 'listening');
  browser = await chromium.launch({
    executablePath: process.env.HERDBOOK_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--host-resolver-rules=MAP rebind.example 127.0.0.1, MAP evil.example 127.0.0.1',
    ],
  });
});
after(async () => {
  await browser?.close();
  evil?.close();
});

const port = (url) => new URL(url).port;

/** Everything that the page can try, and what came of it. */
async function assault(page, target) {
  return page.evaluate(
    async ({ target, REQUESTS, FORM }) => {
      const told = [];
      const say = (what, outcome) => told.push([what, outcome]);
      const within = (ms, promise) =>
        Promise.race([promise, new Promise((resolve) => setTimeout(resolve, ms, 'nothing'))]);
      for (const mode of ['cors', 'no-cors']) {
        for (const credentials of ['include', 'omit']) {
          for (const [method, path, kind] of REQUESTS) {
            if (mode === 'no-cors' && (method === 'DELETE' || kind === 'application/json'))
              continue;
            const body = method === 'POST' ? JSON.stringify(FORM) : undefined;
            const headers = kind === undefined ? {} : { 'content-type': kind };
            const options = { method, mode, credentials, body, headers };
            const asked = fetch(`${target}api/v1/${path}`, options).then(
              async (answer) => `${answer.type} ${answer.status} ${await answer.text()}`,
              () => 'failed',
            );
            say(
              `fetch ${mode} ${credentials} ${method} ${path} ${kind}`,
              await within(2000, asked),
            );
          }
        }
      }
      const marked = { 'x-herdbook': 'page', 'content-type': 'application/json' };
      const asked = fetch(`${target}api/v1/services`, {
        method: 'POST',
        credentials: 'include',
        headers: marked,
        body: JSON.stringify(FORM),
      }).then(
        (answer) => `${answer.type} ${answer.status}`,
        () => 'failed',
      );
      say('fetch with the header of the page', await within(2000, asked));
      for (const view of ['live?view=full', 'agent', 'live?view=summary']) {
        const socket = new WebSocket(`${target.replace(/^http/, 'ws')}api/v1/${view}`);
        const ended = new Promise((resolve) => {
          socket.onopen = () => resolve('open');
          socket.onmessage = () => resolve('message');
          socket.onerror = () => resolve('failed');
        });
        say(`socket ${view}`, await within(2000, ended));
        socket.close();
      }
      for (const withCredentials of [true, false]) {
        const source = new EventSource(`${target}api/v1/events/stream`, { withCredentials });
        const ended = new Promise((resolve) => {
          source.onopen = () => resolve('open');
          source.onmessage = () => resolve('message');
          source.onerror = () => resolve('failed');
        });
        say(`events ${withCredentials}`, await within(2000, ended));
        source.close();
      }
      const load = (tag, set) => {
        const one = document.createElement(tag);
        const ended = new Promise((resolve) => {
          one.onload = () => resolve('loaded');
          one.onerror = () => resolve('failed');
        });
        set(one);
        document.body.append(one);
        return within(2000, ended);
      };
      for (const path of ['api/v1/hosts', 'favicon.svg', 'metrics', 'assets/index.js', '']) {
        say(`img ${path}`, await load('img', (one) => (one.src = target + path)));
        say(`script ${path}`, await load('script', (one) => (one.src = target + path)));
        say(
          `style ${path}`,
          await load('link', (one) => {
            one.rel = 'stylesheet';
            one.href = target + path;
          }),
        );
      }
      for (const rel of ['prefetch', 'preload', 'prerender']) {
        await load('link', (one) => {
          one.rel = rel;
          one.as = 'fetch';
          one.href = `${target}api/v1/hosts`;
        });
      }
      navigator.sendBeacon(`${target}api/v1/services`, JSON.stringify(FORM));
      return told;
    },
    { target, REQUESTS, FORM },
  );
}

/** Forms leave the page, so each goes into a frame. */
async function submitForms(page, target) {
  for (const enctype of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
  ]) {
    for (const path of ['services', 'tokens', 'session', 'people', 'first-admin']) {
      await page.evaluate(
        ({ target, enctype, path, FORM }) => {
          const frame = document.createElement('iframe');
          frame.name = `frame-${path}-${enctype}`;
          const form = document.createElement('form');
          Object.assign(form, { method: 'post', target: frame.name });
          Object.assign(form, { action: `${target}api/v1/${path}`, enctype });
          const field = document.createElement('input');
          // The well-known trick to make JSON of a form of text.
          field.name = JSON.stringify(FORM).replace(/}$/, ',"x":"');
          field.value = '"}';
          form.append(field);
          document.body.append(frame, form);
          form.submit();
        },
        { target, enctype, path, FORM },
      );
    }
  }
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1500)));
}

/** What stands in a frame of the collector's page. */
async function framed(page, target) {
  await page.evaluate((target) => {
    const frame = document.createElement('iframe');
    frame.name = 'page';
    frame.src = target;
    document.body.append(frame);
  }, target);
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1500)));
  const frame = page.frames().find((one) => one.name() === 'page');
  return frame.evaluate(() => document.body?.innerText ?? '').catch(() => 'refused');
}

/** Nothing came back that holds anything, and nothing was let in. */
function nothingGained(told, canary) {
  for (const [what, outcome] of told) {
    const words = `${what}: ${outcome}`;
    assert.ok(!String(outcome).includes(canary), words);
    assert.doesNotMatch(String(outcome), /^(basic|cors|default) 2\d\d|^open|^message/, words);
    assert.notEqual(outcome, 'loaded', words);
  }
}

async function visit(origin, act, options = {}) {
  const context = await browser.newContext(options);
  const sent = [];
  context.on('request', (request) => sent.push(request));
  try {
    const page = await context.newPage();
    await page.goto(origin);
    await act(page, context, sent);
  } finally {
    await context.close();
  }
}

const register = async (collector, headers) => {
  const answer = await fetch(`${collector.url}api/v1/services`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ ...FORM, name: 'kept', url: 'http://127.0.0.1:1/' }),
  });
  assert.equal(answer.status, 201, await answer.text());
};
const services = async (collector, headers) => {
  const answer = await fetch(`${collector.url}api/v1/services`, { headers });
  assert.equal(answer.status, 200);
  return (await answer.json()).services.map(({ name }) => name);
};

describe('against a collector without credentials', () => {
  let collector;
  before(async () => {
    collector = await Collector.start();
    await register(collector, {});
  });
  after(() => collector?.end());

  for (const [name, origin] of [
    ['another port', () => `http://127.0.0.1:${evil.address().port}/`],
    ['another site', () => `http://evil.example:${evil.address().port}/`],
  ]) {
    it(`a page of ${name} changes and reads nothing`, async () => {
      await visit(origin(), async (page) => {
        const told = await assault(page, collector.url);
        nothingGained(told, 'kept');
        await submitForms(page, collector.url);
        assert.doesNotMatch(await framed(page, collector.url), /Herdbook|Hosts/);
        assert.deepEqual(await services(collector, {}), ['kept']);
      });
    });
  }

  it('a name that was bound anew to this machine is not answered', async () => {
    const rebound = `http://rebind.example:${port(collector.url)}/`;
    await visit(rebound, async (page) => {
      assert.doesNotMatch(await page.evaluate(() => document.body.innerText), /Hosts/);
      // The page of that name is of the same origin, as far as the browser knows.
      const told = await assault(page, rebound);
      nothingGained(told, 'kept');
      assert.deepEqual(await services(collector, {}), ['kept']);
    });
  });
});

it('does all of it where it is the page of the collector, so that failing means something', async () => {
  const collector = await Collector.start();
  try {
    await register(collector, {});
    // Its own policy would not let it load what it does not need.
    const options = { bypassCSP: true };
    const act = async (page) => {
      const outcomes = new Map(await assault(page, collector.url));
      for (const [what, expected] of [
        ['fetch cors include GET services undefined', /kept/],
        ['fetch with the header of the page', /^basic 20[01]/],
        ['socket live?view=full', /open|message/],
        ['events true', /open/],
        ['img favicon.svg', /loaded/],
      ]) {
        assert.match(String(outcomes.get(what)), expected, what);
      }
      assert.deepEqual((await services(collector, {})).sort(), ['kept', 'planted']);
    };
    await visit(collector.url, act, options);
  } finally {
    await collector.end();
  }
});

describe('against a collector in which the person is signed in', () => {
  let collector;
  let cookie;
  before(async () => {
    collector = await Collector.start([], 'auth = "required"\n');
    const code = await eventually('the code', () => /enter (\S+) \(once/.exec(collector.log)?.[1]);
    const answer = await fetch(`${collector.url}api/v1/first-admin`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-herdbook': 'page' },
      body: JSON.stringify({ code, ...ANNA }),
    });
    assert.equal(answer.status, 201, await answer.text());
    cookie = answer.headers.get('set-cookie').split(';')[0];
    await register(collector, { cookie, 'x-herdbook': 'page' });
  });
  after(() => collector?.end());

  for (const [name, origin, isSameSite] of [
    ['another port', () => `http://127.0.0.1:${evil.address().port}/`, true],
    ['another site', () => `http://evil.example:${evil.address().port}/`, false],
    ['a name bound anew', () => `http://rebind.example:${port(collector.url)}/`, false],
  ]) {
    it(`a page of ${name} does nothing with the cookie`, async () => {
      const target =
        name === 'a name bound anew'
          ? `http://rebind.example:${port(collector.url)}/`
          : collector.url;
      await visit(origin(), async (page, context, sent) => {
        const [key, value] = cookie.split('=');
        const { hostname } = new URL(collector.url);
        await context.addCookies([
          { name: key, value, domain: hostname, path: '/', httpOnly: true, sameSite: 'Strict' },
        ]);
        const told = await assault(page, target);
        nothingGained(told, 'kept');
        await submitForms(page, target);
        assert.doesNotMatch(await framed(page, target), /Herdbook|Hosts|Sign in/);
        assert.deepEqual(await services(collector, { cookie }), ['kept']);
        // A port makes no other site: there, only the header of the page and the Origin protect.
        if (!isSameSite) {
          for (const request of sent) {
            const headers = await request.allHeaders().catch(() => ({}));
            assert.ok(!(headers.cookie ?? '').includes(value), request.url());
          }
        }
        const tokens = await fetch(`${collector.url}api/v1/tokens`, { headers: { cookie } });
        assert.deepEqual((await tokens.json()).tokens, []);
        const people = await fetch(`${collector.url}api/v1/people`, { headers: { cookie } });
        assert.equal((await people.json()).people.length, 1);
      });
    });
  }
});
