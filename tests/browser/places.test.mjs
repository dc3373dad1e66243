// Where the page may find itself: before the first host, below a path of a proxy, with a reader who wants
// no motion.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Agent } from './agent.mjs';
import { findings } from './axe.mjs';
import { api, Collector } from './programs.mjs';
import { proxyBelow } from './proxy.mjs';
import { eventually, hostNames, stage, VIEWS } from './stage.mjs';

const { page: visit } = stage();
let collector;

before(async () => {
  collector = await Collector.start(['--notice', 'Staging']);
});
after(() => collector?.end());

it('tells how to add the first host, until there is one', async () => {
  await visit(collector.url, async (page) => {
    await page.getByRole('heading', { name: 'No host yet' }).waitFor();
    await page.getByText('herdbook-agent', { exact: false }).first().waitFor();
    assert.deepEqual(await findings(page), []);
    const agent = await Agent.join(collector.url, { name: 'first' });
    await eventually('the host', async () => (await hostNames(page)).includes('first'));
    agent.vanish();
    await eventually('stale', async () =>
      (await page.locator('[role=row] .status').allTextContents()).some((t) => /stale/.test(t)),
    );
    await api(collector.url, 'DELETE', `hosts/${agent.id}`);
    await page.getByRole('heading', { name: 'No host yet' }).waitFor();
  });
});

it('shows the notice of whoever runs the collector', async () => {
  await visit(collector.url, (page) => page.getByText('Staging', { exact: true }).waitFor());
});

it('works below a path of a proxy, every view and every call', async () => {
  const proxy = await proxyBelow('/herd/book/', collector.url);
  const agent = await Agent.join(collector.url, { name: 'gpu-1' });
  try {
    await visit(proxy.url, async (page) => {
      await eventually('the host', async () => (await hostNames(page)).includes('gpu-1'));
      const outside = [];
      page.on('request', (request) => {
        if (!request.url().startsWith(proxy.url)) outside.push(request.url());
      });
      page.on('response', (response) => {
        if (response.status() >= 400) outside.push(`${response.status()} ${response.url()}`);
      });
      for (const [view, title] of VIEWS.slice(1)) {
        await page.getByRole('navigation').getByRole('link', { name: title }).click();
        await page.getByRole('heading', { level: 1, name: title }).waitFor();
        assert.ok(page.url().startsWith(`${proxy.url}#/${view}`), page.url());
      }
      await page.goto(`${proxy.url}#/hosts/${agent.id}`);
      await page.getByRole('heading', { level: 1, name: 'gpu-1' }).waitFor();
      assert.deepEqual(outside, []);
    });
  } finally {
    agent.vanish();
    proxy.end();
  }
});

it('moves nothing for a reader who wants no motion', async () => {
  const act = async (page) => {
    await eventually('the host', async () => (await hostNames(page)).length > 0);
    const moving = await page.evaluate(() =>
      [...document.querySelectorAll('*')]
        .map((element) => getComputedStyle(element))
        .flatMap((style) => [style.transitionDuration, style.animationDuration])
        .flatMap((durations) => durations.split(', '))
        .filter((duration) => parseFloat(duration) > 0.001),
    );
    assert.deepEqual(moving, []);
  };
  await visit(collector.url, act, { reducedMotion: 'reduce' });
});
