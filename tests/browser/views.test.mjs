// Every view on the demo fleet: there, clean, accessible, within the screen; light, dark and on a phone.
// HERDBOOK_SHOTS names a folder in which pictures of all are kept.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findings } from './axe.mjs';
import { startDemo } from './programs.mjs';
import { eventually, hostNames, overflow_px, PHONE, settle, stage, VIEWS } from './stage.mjs';

const SHOTS = process.env.HERDBOOK_SHOTS;
const KINDS = [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { colorScheme: 'light', ...PHONE }],
];
const { page: visit } = stage();
let demo;

before(async () => {
  demo = await startDemo(['--still']);
  if (SHOTS) await mkdir(SHOTS, { recursive: true });
});
after(() => demo?.end());

async function look(page, name, kind) {
  assert.deepEqual(await findings(page), [], `axe on ${name}, ${kind}`);
  if (kind === 'phone') assert.equal(await overflow_px(page), 0, `${name} is wider than a phone`);
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}-${kind}.png`) });
}

for (const [kind, options] of KINDS) {
  describe(`views, ${kind}`, () => {
    it('the fleet', async () => {
      await visit(
        demo.url,
        async (page) => {
          await eventually('hosts', async () => (await hostNames(page)).length > 3);
          await look(page, 'hosts', kind);
          await page.goto(`${demo.url}#/hosts?view=heat`);
          await page.getByRole('img', { name: /GPU/ }).or(page.locator('canvas')).first().waitFor();
          await look(page, 'heat', kind);
        },
        options,
      );
    });

    for (const [view, title] of VIEWS.slice(1)) {
      it(view, async () => {
        await visit(
          `${demo.url}#/${view}`,
          async (page) => {
            await page.getByRole('heading', { level: 1, name: title }).waitFor();
            await settle(page);
            await look(page, view, kind);
          },
          options,
        );
      });
    }

    it('a host, a model and a service', async () => {
      await visit(
        demo.url,
        async (page) => {
          const names = await eventually('hosts', async () => {
            const there = await hostNames(page);
            return there.length > 3 && there;
          });
          await page.getByRole('link', { name: names[0], exact: true }).click();
          await page.getByRole('heading', { level: 1, name: names[0] }).waitFor();
          await settle(page);
          await look(page, 'host', kind);
          for (const view of ['models', 'services']) {
            await page.goto(`${demo.url}#/${view}`);
            const link = page.locator(`main a[href^="#/${view}/"]`).first();
            await link.click();
            await eventually(`one of ${view}`, () => page.url().includes(`#/${view}/`));
            await settle(page);
            await look(page, view.slice(0, -1), kind);
          }
        },
        options,
      );
    });
  });
}
