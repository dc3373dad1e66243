// Names that people, hosts and files may carry: markup, direction marks, emoji, 256 characters. They are
// text on every view, and break none of them.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Agent } from './agent.mjs';
import { findings } from './axe.mjs';
import { api, Collector } from './programs.mjs';
import { eventually, hostNames, overflow_px, PHONE, settle, stage, VIEWS } from './stage.mjs';

const MARKUP = `<img src=x onerror="document.title='hit'"><b>gpu</b>`;
const BIDI = 'gpu-\u202Egnp.exe\u2066';
const EMOJI = '🐄🐮👩‍🌾 gpu';
const LONG = 'very-long-'.repeat(26).slice(0, 256);
const NAMES = [MARKUP, BIDI, EMOJI, LONG];

const { page: visit } = stage();
let collector;
const agents = [];

before(async () => {
  collector = await Collector.start();
  for (const name of NAMES) {
    const models = [
      { name: `${name.slice(0, 60)}:1b`, warm: true },
      { name: 'llama3.1:8b', warm: false },
    ];
    agents.push(await Agent.join(collector.url, { name, labels: { [`zone`]: name }, models }));
  }
  for (const name of NAMES) {
    await api(collector.url, 'POST', 'services', {
      name,
      type: 'tool',
      url: `http://127.0.0.1:1/${encodeURIComponent(name.slice(0, 20))}`,
      ttl_s: 3600,
      labels: { team: name.slice(0, 60) },
    });
  }
  const until = new Date(Date.now() + 3_600_000).toISOString();
  await api(collector.url, 'POST', 'silences', {
    matcher: { rule: 'gpu_hot' },
    until,
    comment: MARKUP,
  });
  await api(collector.url, 'POST', 'skills', {
    name: 'hostile',
    description: MARKUP,
    body: `# ${MARKUP}\n\n[click](javascript:alert(1)) ${BIDI}\n\n<script>document.title='hit'</script>`,
  });
});
after(async () => {
  for (const agent of agents) agent.vanish();
  await collector?.end();
});

/** Nothing of the names became markup, ran, or reorders the text around it. */
async function isText(page, where) {
  const made = await page.evaluate(() => ({
    title: document.title,
    images: document.querySelectorAll('img, main b b, script:not([src])').length,
    reorders: [...document.querySelectorAll('*')]
      .flatMap((one) => [one.getAttribute('title'), one.getAttribute('aria-label')])
      .concat(document.body.innerText)
      .filter((text) => /[\u202A-\u202E\u2066-\u2069]/.test(text ?? '')),
    links: [...document.querySelectorAll('a')].filter((a) => a.protocol === 'javascript:').length,
  }));
  assert.match(made.title, /Herdbook/, where);
  const { images, reorders, links } = made;
  assert.deepEqual({ images, reorders, links }, { images: 0, reorders: [], links: 0 }, where);
}

for (const [kind, options] of [
  ['desktop', {}],
  ['phone', PHONE],
]) {
  it(`are text on every view, ${kind}`, async () => {
    await visit(
      collector.url,
      async (page) => {
        await eventually('four hosts', async () => (await hostNames(page)).length === 4);
        for (const [view] of VIEWS) {
          await page.goto(`${collector.url}#/${view}`);
          await page.locator('main').waitFor();
          await settle(page);
          await isText(page, view);
          if (kind === 'phone') assert.equal(await overflow_px(page), 0, view);
        }
        for (const agent of agents) {
          await page.goto(`${collector.url}#/hosts/${encodeURIComponent(agent.id)}`);
          await page.getByRole('heading', { level: 1 }).waitFor();
          await eventually('its GPU', () => page.getByText('H200').first().isVisible());
          await isText(page, agent.id);
          assert.deepEqual(await findings(page), []);
          if (kind === 'phone') assert.equal(await overflow_px(page), 0, agent.id);
        }
        const { services } = await api(collector.url, 'GET', 'services');
        for (const { id } of services) {
          await page.goto(`${collector.url}#/services/${encodeURIComponent(id)}`);
          await page.getByRole('heading', { level: 2 }).first().waitFor();
          await settle(page);
          await isText(page, id);
          if (kind === 'phone') assert.equal(await overflow_px(page), 0, id);
        }
        for (const name of NAMES) {
          const model = `${name.slice(0, 60)}:1b`;
          await page.goto(`${collector.url}#/models/${encodeURIComponent(model)}`);
          await page.getByRole('heading', { level: 1 }).waitFor();
          await settle(page);
          await isText(page, model);
          if (kind === 'phone') assert.equal(await overflow_px(page), 0, model);
        }
        await page.goto(`${collector.url}#/hosts/${encodeURIComponent(agents[1].id)}`);
        await page.getByRole('button', { name: 'Remove this host' }).click();
        await page.getByRole('dialog').waitFor();
        await isText(page, 'a dialog');
        await page.keyboard.press('Escape');
        await page.goto(`${collector.url}#/skills/hostile`);
        await eventually('the skill', () => page.getByText('document.title').first().isVisible());
        await isText(page, 'a skill');
      },
      options,
    );
  });
}

it('say which characters cannot be seen', async () => {
  await visit(collector.url, async (page) => {
    await eventually('the name', async () =>
      (await hostNames(page)).some((name) => name.includes('\\u{202E}')),
    );
  });
});
