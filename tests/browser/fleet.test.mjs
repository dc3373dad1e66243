// The fleet as a reader uses it: live, filtered, sorted, grouped, all of it in the address; and by keyboard
// alone.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Agent } from './agent.mjs';
import { Collector } from './programs.mjs';
import { eventually, hostNames, hostRow, stage } from './stage.mjs';

const { page: visit } = stage();
const LLAMA = 'llama3.1:8b';
const QWEN = 'qwen3:32b';
let collector;
const agents = {};

const HOSTS = {
  'alpha-1': { labels: { zone: 'a' }, models: [{ name: LLAMA, warm: true }] },
  'alpha-2': { labels: { zone: 'a' }, models: [{ name: QWEN, warm: false }] },
  'beta-10': { labels: { zone: 'b' }, role: 'canary', models: [{ name: LLAMA, warm: false }] },
  'beta-9': { labels: { zone: 'b' }, gpus: [], models: [] },
};

before(async () => {
  collector = await Collector.start();
  for (const [name, facts] of Object.entries(HOSTS)) {
    agents[name] = await Agent.join(collector.url, { name, ...facts });
  }
});
after(async () => {
  for (const agent of Object.values(agents)) agent.vanish();
  await collector?.end();
});

const shows = (page, ...names) =>
  eventually(`${names}`, async () => {
    const there = await hostNames(page);
    return there.join() === names.join() || null;
  });

it('shows what an agent says as it says it', async () => {
  await visit(collector.url, async (page) => {
    const row = hostRow(page, 'alpha-2');
    await row.locator('.models').getByText(QWEN).waitFor();
    await row.locator('.models').getByText('0 warm of 1').waitFor();
    agents['alpha-2'].tellInventory({ models: [{ name: QWEN, warm: true }] });
    await row.locator('.models').getByText('1 warm of 1').waitFor();
    agents['alpha-2'].tellInventory({ models: [{ name: QWEN, warm: false }] });
    await row.locator('.models').getByText('1 warm of 1').waitFor({ state: 'detached' });
  });
});

it('keeps filters in the address, and shows the same to who follows it', async () => {
  await visit(collector.url, async (page) => {
    await shows(page, 'alpha-1', 'alpha-2', 'beta-9', 'beta-10');
    const section = page.getByRole('region', { name: 'Models of the fleet' });
    await section.getByRole('button', { name: new RegExp(LLAMA) }).click();
    await shows(page, 'alpha-1', 'beta-10');
    assert.match(page.url(), /[?&]model=llama3\.1/);

    await page.getByRole('searchbox', { name: /Filter hosts/ }).fill('beta');
    await shows(page, 'beta-10');
    await page.reload();
    await shows(page, 'beta-10');

    // To a host, and back to where one was.
    await page.getByRole('link', { name: 'beta-10', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'beta-10' }).waitFor();
    await page.goBack();
    await shows(page, 'beta-10');

    await page.getByRole('button', { name: /Clear all/ }).click();
    await shows(page, 'alpha-1', 'alpha-2', 'beta-9', 'beta-10');
    assert.doesNotMatch(page.url(), /model=|q=/);
  });
});

for (const [query, names] of [
  ['status=online&role=canary', ['beta-10']],
  ['label=zone%3Db', ['beta-9', 'beta-10']],
  ['q=nothing-like-it', []],
  ['sort=-name', ['beta-10', 'beta-9', 'alpha-2', 'alpha-1']],
]) {
  it(`reads ${query}`, async () => {
    await visit(`${collector.url}#/hosts?${query}`, async (page) => {
      await shows(page, ...names);
      if (names.length === 0)
        await page
          .getByText(/No host matches/)
          .first()
          .waitFor();
    });
  });
}

it('groups by label', async () => {
  await visit(`${collector.url}#/hosts?group=label:zone`, async (page) => {
    const group = page.getByRole('row').getByRole('button', { name: /^a\b.*2 hosts/ });
    await group.waitFor();
    await shows(page, 'alpha-1', 'alpha-2', 'beta-9', 'beta-10');
    await group.click();
    await shows(page, 'beta-9', 'beta-10');
  });
});

it('is used by keyboard alone', async () => {
  await visit(collector.url, async (page) => {
    await shows(page, 'alpha-1', 'alpha-2', 'beta-9', 'beta-10');
    const focused = () =>
      page.evaluate(() => {
        const { activeElement: at } = document;
        return at?.getAttribute('aria-label') ?? at?.textContent?.trim() ?? '';
      });
    /** Tab until something has the focus; each stop on the way must be visible. */
    const tabTo = async (what) => {
      for (let i = 0; i < 80; i++) {
        await page.keyboard.press('Tab');
        if (what.test(await focused())) return;
      }
      throw new Error(`no way by Tab to ${what}`);
    };
    await page.keyboard.press('/');
    await page.keyboard.type('alpha');
    await shows(page, 'alpha-1', 'alpha-2');
    await page.keyboard.press('Escape');
    await shows(page, 'alpha-1', 'alpha-2', 'beta-9', 'beta-10');

    await tabTo(/^Hosts$/);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'alpha-2' }).waitFor();
    await tabTo(/^Drain/);
    const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(ring, 'none');
    await tabTo(/^Edit/);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.match(await focused(), /^Edit/);
  });
});
