// The collector goes and comes back under an open page.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Agent } from './agent.mjs';
import { Collector } from './programs.mjs';
import { eventually, hostNames, hostRow, stage } from './stage.mjs';

const { page: visit } = stage();
/** What a browser says by itself of a collector that does not answer. */
const isOfLoss = (misdeed) => /ERR_CONNECTION_REFUSED|WebSocket connection|net::ERR_/.test(misdeed);
let collector;
let agent;

before(async () => {
  collector = await Collector.start();
  agent = await Agent.join(collector.url, { name: 'gpu-1' });
});
after(async () => {
  agent?.vanish();
  await collector?.end();
});

it('says so, hides the numbers, and goes on by itself', async () => {
  const act = async (page) => {
    await eventually('the host', async () => (await hostNames(page)).includes('gpu-1'));
    const cpu = () => hostRow(page, 'gpu-1').locator('.cpu .value').textContent();
    await eventually('a number', async () => /\d/.test(await cpu()));
    await page.evaluate(() => (window.sameDocument = true));

    await collector.kill();
    await page.getByText(/^Not connected since/).waitFor();
    await eventually('a dash', async () => !/\d/.test(await cpu()));

    await collector.again();
    const second = await Agent.join(collector.url, { name: 'gpu-2' });
    try {
      await page.getByText(/^Not connected since/).waitFor({ state: 'detached', timeout: 40_000 });
      await eventually('a new host', async () => (await hostNames(page)).includes('gpu-2'));
      // The first has no session any more, and the collector knows it from its disk.
      assert.ok((await hostNames(page)).includes('gpu-1'));
      assert.equal(await page.evaluate(() => window.sameDocument), true);
    } finally {
      second.vanish();
    }
  };
  await visit(collector.url, act, { expected: isOfLoss });
});

it('dials again by itself without hammering, and at once when asked', async () => {
  const act = async (page) => {
    const dialled_ms = [];
    page.on('websocket', () => dialled_ms.push(Date.now()));
    await page.getByText('Live', { exact: true }).first().waitFor();
    await collector.kill();
    await eventually('three dials', () => dialled_ms.length >= 3, 60_000);
    const waits_ms = dialled_ms.slice(1).map((at_ms, i) => at_ms - dialled_ms[i]);
    assert.ok(Math.min(...waits_ms) >= 450, `no hammering: ${waits_ms} ms`);

    // Where the next wait is a long one, the reader need not wait for it.
    const seconds = page.getByText(/^Reconnecting in \d+ s$/);
    await eventually(
      'a long wait',
      async () => {
        const [, wait_s] =
          /(\d+) s/.exec((await seconds.textContent({ timeout: 2000 })) ?? '') ?? [];
        return Number(wait_s) >= 4;
      },
      120_000,
    );
    await collector.again();
    const n_before = dialled_ms.length;
    await page.getByRole('button', { name: 'Reconnect now' }).click();
    await page.getByText('Live', { exact: true }).first().waitFor({ timeout: 3000 });
    assert.equal(dialled_ms.length, n_before + 1);
  };
  await visit(collector.url, act, { expected: isOfLoss });
});
