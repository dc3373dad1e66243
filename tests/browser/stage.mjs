// What the stories share: one browser a file, pages that are closed whatever happens, and waiting for
// what one can see. A page that did what it must not fails its story.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { launch, open } from './browser.mjs';

export const VIEWS = [
  ['hosts', 'Hosts'],
  ['models', 'Models'],
  ['services', 'Services'],
  ['events', 'Events'],
  ['alerts', 'Alerts'],
  ['graph', 'Graph'],
  ['skills', 'Skills'],
  ['collector', 'Collector'],
];

export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

/** Where nothing can be picked, the collector's answer is a 404 with the reasons; the browser logs that. */
const isNoPick = (misdeed) => /status of 404 .*\/api\/v1\/pick\?/.test(misdeed);

/** A browser for the stories of one file; `stage.page(url, async (page) => …)`. */
export function stage() {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());
  return {
    /** `expected` tells which misdeeds belong to the story, such as lines about a killed collector. */
    async page(url, act, { expected = () => false, ...options } = {}) {
      const { page, misdeeds, context } = await open(browser, url, options);
      page.setDefaultTimeout(20_000);
      try {
        await act(page, context);
        const unexpected = misdeeds.filter((misdeed) => !isNoPick(misdeed) && !expected(misdeed));
        assert.deepEqual(unexpected, []);
      } finally {
        await context.close();
      }
    },
  };
}

/** Waits until `look` gives something that is neither false nor null, and gives that. */
export async function eventually(what, look, within_ms = 20_000) {
  const end = Date.now() + within_ms;
  let last;
  while (Date.now() < end) {
    try {
      last = await look();
      if (last !== false && last !== null && last !== undefined) return last;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${within_ms} ms, last: ${last}`);
}

/** Waits until nothing of the page says any more that it is being loaded. */
export async function settle(page) {
  const loading = page.getByText('Loading…', { exact: true });
  await eventually('all is loaded', async () => (await loading.count()) === 0);
}

/** Names of the hosts whose rows are there, from the top. */
export const hostNames = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('[role=row] .name a')]
      .map((link) => ({ name: link.textContent, top: link.getBoundingClientRect().top }))
      .sort((a, b) => a.top - b.top)
      .map(({ name }) => name),
  );

export const hostRow = (page, name) =>
  page.locator('[role=row]').filter({ has: page.getByRole('link', { name, exact: true }) });

/** How far the page is wider than the screen. */
export const overflow_px = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
