// The page at many hosts, measured by hand or as a part of `make soak`:
//   node tests/browser/many.mjs --hosts 10000 --seconds 30 [--check]
// It plays the recorded feed of collector/dashboard/dev/feed.mjs to the built page (`make page`), leaves it
// alone, scrolls it, sorts it by what moves, and shows the heat map, by turns. It prints each figure with
// its bound and whether it holds. With --check it exits with 1 where memory or size does not hold, or the
// page did what it must not; never for times, since those are the machine's as well.
//
// The browser has no display and draws in software, beside the feed, on the same processors: frames that
// are dropped here may not be on a desk. The interval of its display is measured at rest.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { launch, open } from './browser.mjs';
import {
  dropped,
  firstViewBytes,
  framesWhile,
  median,
  Meter,
  noteFirstRow,
  rise,
  scroll,
} from './measure.mjs';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '30' },
    port: { type: 'string', default: '0' },
    check: { type: 'boolean', default: false },
  },
});
const n_hosts = Number(values.hosts);
const seconds = Number(values.seconds);

const BOUNDS = {
  first_rows_ms: 1500,
  dropped_percent: 10,
  busy_percent: 30,
  heap_mb: 150,
  heap_rise_mb: 5,
  script_gzip_kb: 90,
};
const HELD = ['heap_mb', 'heap_rise_mb', 'script_gzip_kb'];
const SCROLL_PX_PER_S = 1500;
const TURN_S = 7.5;
/** What fills up in the first minutes and stays: the changes and samples that the page keeps. */
const SETTLED_S = 150;
const TURNS = [
  ['rest', '#/hosts'],
  ['scroll', '#/hosts'],
  ['sorted', '#/hosts?sort=-cpu&group=label:zone'],
  ['heat', '#/hosts?view=heat'],
];
const DASHBOARD = new URL('../../collector/dashboard/', import.meta.url);

const feed = spawn(
  process.execPath,
  ['dev/feed.mjs', '--hosts', values.hosts, '--port', values.port],
  { cwd: DASHBOARD, stdio: ['ignore', 'pipe', 'inherit'] },
);
let browser;
try {
  const address = await addressOf(feed);
  browser = await launch();
  const { figures, misdeeds } = await look(browser, address);
  const results = judged(figures);
  process.stdout.write(`${JSON.stringify({ n_hosts, seconds, results, misdeeds }, null, 2)}\n`);
  const broken = HELD.some((name) => results[name]?.holds === false);
  process.exitCode = values.check && (broken || misdeeds.length > 0) ? 1 : 0;
} finally {
  await browser?.close();
  feed.kill();
}

async function addressOf(child) {
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /listening on (\S+)/.exec(line);
    if (found) return found[1];
  }
  throw new Error('the feed did not start');
}

async function look(browser, address) {
  const first = [];
  const worked = [];
  // A browser's first page also starts the browser; the second one is what a reader sees.
  for (let i = 0; i < 3; i++) {
    let meter;
    const prepare = async (page) => {
      meter = await Meter.of(page);
      await noteFirstRow(page);
    };
    const { page, misdeeds } = await open(browser, address, { prepare });
    await page.waitForFunction(() => window.firstRow_ms !== null, null, { timeout: 120_000 });
    worked.push(await meter.worked_ms());
    first.push(await page.evaluate(() => window.firstRow_ms));
    if (i < 2) await page.context().close();
    else return { figures: { first, worked, ...(await live(page, meter)) }, misdeeds };
  }
}

async function live(page, meter) {
  await page.waitForTimeout(2000);
  const interval_ms = median(await framesWhile(page, () => page.waitForTimeout(1000)));
  const seen = { rest: [], scroll: [], sorted: [], heat: [], dropped: [], heap: [] };
  const began = performance.now();
  const sinceBegan_s = () => (performance.now() - began) / 1000;
  while (sinceBegan_s() < seconds) {
    for (const [name, hash] of TURNS) {
      await page.evaluate((to) => void (location.hash = to), hash);
      await page.waitForTimeout(500);
      const { result, ...busy } = await meter.busy(() =>
        name === 'scroll'
          ? framesWhile(page, () => scroll(page, TURN_S, SCROLL_PX_PER_S))
          : page.waitForTimeout(TURN_S * 1000),
      );
      seen[name].push(busy);
      if (result) seen.dropped.push(dropped(result, interval_ms));
      seen.heap.push([sinceBegan_s(), await meter.heap_bytes()]);
    }
  }
  return { interval_ms, script_bytes: await firstViewBytes(new URL('dist/', DASHBOARD)), ...seen };
}

function judged(figures) {
  const busy = (name, kind) => median(figures[name].map((one) => one[kind]));
  const settled = figures.heap.filter(([at]) => seconds <= 2 * SETTLED_S || at >= SETTLED_S);
  const result = (value, bound, more = {}) => ({
    value: Math.round(value * 10) / 10,
    bound,
    holds: value <= bound,
    ...more,
  });
  const share = (name) =>
    result(busy(name, 'busy_percent'), BOUNDS.busy_percent, {
      cpu: Math.round(busy(name, 'busy_cpu_percent') * 10) / 10,
    });
  const mb = (bytes) => bytes / 1e6;
  return {
    display_interval_ms: { value: Math.round(figures.interval_ms * 10) / 10 },
    first_rows_ms: result(median(figures.first), BOUNDS.first_rows_ms, {
      each: figures.first.map(Math.round),
      main_thread_cpu_ms: Math.round(median(figures.worked)),
    }),
    dropped_percent: result(median(figures.dropped), BOUNDS.dropped_percent, {
      each: figures.dropped.map((one) => Math.round(one * 10) / 10),
    }),
    busy_rest_percent: share('rest'),
    busy_scroll_percent: share('scroll'),
    busy_sorted_grouped_percent: share('sorted'),
    busy_heat_map_percent: share('heat'),
    heap_mb: result(mb(Math.max(...figures.heap.map(([, bytes]) => bytes))), BOUNDS.heap_mb),
    heap_rise_mb: result(mb(rise(settled)), BOUNDS.heap_rise_mb, { n: settled.length }),
    script_gzip_kb: result(figures.script_bytes / 1000, BOUNDS.script_gzip_kb),
  };
}
