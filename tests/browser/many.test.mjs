// Ten thousand hosts, from a recorded feed: all of them are there, in order, and found. What it costs is
// measured by many.mjs.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, hostNames, stage } from './stage.mjs';

const DASHBOARD = fileURLToPath(new URL('../../collector/dashboard/', import.meta.url));
const N_HOSTS = 10_000;
const { page: visit } = stage();
let feed;
let url;

before(async () => {
  feed = spawn(process.execPath, ['dev/feed.mjs', '--hosts', `${N_HOSTS}`, '--port', '0'], {
    cwd: DASHBOARD,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(feed.stdout, 'data');
  url = /http:\S+/.exec(String(line))[0];
});
after(() => feed?.kill());

it('shows, sorts, finds and reaches the last of them', async () => {
  await visit(url, async (page) => {
    const grid = page.getByRole('grid', { name: 'Hosts' });
    await grid.waitFor({ timeout: 60_000 });
    const first = await eventually('rows', async () => {
      const names = await hostNames(page);
      return names.length > 5 && names;
    });
    assert.equal(first[0], 'gpu-1');
    assert.equal(await grid.getAttribute('aria-rowcount'), `${N_HOSTS + 1}`);
    assert.ok(
      (await page.locator('[role=row]').count()) < 100,
      'only what is on the screen exists',
    );

    await grid.focus();
    await page.keyboard.press('End');
    await eventually('the last', async () => (await hostNames(page)).includes('gpu-10000'));

    await page.getByRole('columnheader', { name: /CPU/ }).getByRole('button').click();
    const [busiest, calmest] = await eventually('sorted by CPU', async () => {
      await page.keyboard.press('Home');
      const values = await page.locator('[role=row] .cpu .value').allTextContents();
      const top = values.map((text) => parseInt(text, 10)).filter((value) => value >= 0);
      return (
        page.url().includes('sort=-cpu') && top.length > 5 && [Math.max(...top), Math.min(...top)]
      );
    });
    // A screen of the busiest of ten thousand is nothing like a screen in order of name.
    assert.ok(busiest - calmest < 10, `from ${calmest} to ${busiest} %`);
    assert.ok(calmest > 45, `from ${calmest} to ${busiest} %`);

    await page.getByRole('searchbox', { name: /Filter hosts/ }).fill('gpu-9999');
    await eventually('the one', async () => (await hostNames(page)).join() === 'gpu-9999');
  });
});

it('draws all their GPUs', async () => {
  await visit(`${url}#/hosts?view=heat`, async (page) => {
    await page.getByRole('listbox', { name: /GPUs/ }).waitFor({ timeout: 60_000 });
    const drawn = await page
      .locator('canvas')
      .first()
      .evaluate((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const colours = new Set();
        for (let i = 0; i < data.length; i += 4 * 97) colours.add(data.slice(i, i + 4).join());
        return colours.size;
      });
    assert.ok(drawn > 4, `${drawn} colours`);
  });
});
