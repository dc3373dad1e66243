import { expect, it } from 'vitest';
import type { ReadinessReport, Stats } from '../feed/contract.ts';
import { conditionsOf } from './conditions.ts';
import { someStats } from './examples.ts';
import { KEPT_MS, minutes, Readings, windowOf } from './readings.ts';
import { HEIGHT, nearest, sparkOf, WIDTH } from './spark.ts';
import { DROPPED, rowsOf } from './words.ts';

const START = Date.parse('2026-11-21T10:00:00.000Z');
const READY: ReadinessReport = { status: 'ready', store: 'ok', history: 'ok' };

/** Readings so many seconds after the start. */
function read(...all: [number, Partial<Stats>][]): Readings {
  const readings = new Readings();
  for (const [s, over] of all) {
    readings.push(someStats({ at: new Date(START + s * 1000).toISOString(), ...over }));
  }
  return readings;
}

const titles = (over: Partial<Stats>, ready = READY, readings = new Readings()) =>
  conditionsOf(someStats(over), ready, readings).map(({ title }) => title);

it('tells changes a second between two readings, and nothing before', () => {
  const readings = read([0, { changes_total: 10 }], [2, { changes_total: 30 }]);
  expect(readings.all.map(({ changes }) => changes)).toEqual([null, 10]);
});

it('keeps ten minutes and no more', () => {
  const readings = read(...Array.from({ length: 400 }, (_, i): [number, object] => [i * 2, {}]));
  expect(readings.all).toHaveLength(301);
  expect(readings.all.at(-1)!.at_ms - readings.all[0]!.at_ms).toBe(KEPT_MS);
  const fast = read(...Array.from({ length: 3000 }, (_, i): [number, object] => [i / 10, {}]));
  expect(fast.all).toHaveLength(1200);
});

it('begins anew with another run, and ignores the same answer twice', () => {
  const readings = read([0, {}], [0, {}], [2, {}], [4, { epoch: 'f', changes_total: 1 }]);
  expect(readings.all.map(({ changes }) => changes)).toEqual([null]);
});

it('knows how much came lately', () => {
  const readings = read([0, { stalled_ms_total: 5 }], [2, { stalled_ms_total: 9 }]);
  expect(readings.grown('stalled_ms')).toBe(4);
  expect(new Readings().grown('dropped')).toBe(0);
});

it('tells minutes with their means and highest values, the newest first', () => {
  const readings = read([0, { agents: 1 }], [30, { agents: 3 }], [60, { agents: 8 }]);
  const rows = minutes(readings.all);
  expect(rows.map(({ mean, most }) => [mean.agents, most.agents])).toEqual([
    [8, 8],
    [2, 3],
  ]);
});

it('draws a line that breaks where nothing is known', () => {
  const now = START + KEPT_MS;
  const { line, area, most } = sparkOf(read([0, {}], [2, {}], [60, {}]).all, 'agents', now);
  expect(line.match(/M/g)).toHaveLength(2);
  expect(line.startsWith(`M0 `)).toBe(true);
  expect(area.match(/Z/g)).toHaveLength(2);
  expect(most).toBe(3);
  expect(sparkOf([], 'agents', now).line).toBe('');
});

it('draws zero on the ground, at the right what is now', () => {
  const { line } = sparkOf(read([0, { agents: 0 }]).all, 'agents', START);
  expect(line).toBe(`M${WIDTH} ${HEIGHT - 1}`);
});

it('finds the reading under the pointer', () => {
  const { all } = read([0, { agents: 1 }], [2, { agents: 2 }]);
  expect(nearest(all, 1, START + 2000)?.agents).toBe(2);
  expect(nearest(all, 0, START + 2000)).toBeNull();
});

it('finds nothing wrong with a collector that is well', () => {
  expect(titles({})).toEqual([]);
  expect(titles({ disk: null, uptime_s: 3 })).toEqual([]);
});

it('says what is wrong', () => {
  expect(titles({ store_state: 'disk_full' })).toEqual(['The disk is full']);
  expect(titles({ store_state: 'failing' })).toEqual(['The database cannot be written']);
  expect(titles({ disk: null })).toEqual(['The disk does not answer']);
  const disk = { ...someStats().disk!, free_bytes: 500_000_000 };
  expect(titles({ disk })).toEqual(['Little room on the disk: 477 MiB of 100 GiB']);
  expect(titles({ sweep_lateness_ms: 2100 })).toHaveLength(1);
  expect(titles({ history_dropped_total: 1 })).toEqual(['1 row of history was lost']);
  expect(titles({ notifications: { sent: 9, failed: 2, dropped: 1 } })).toEqual([
    '3 messages on alerts did not arrive in 1 h',
  ]);
  const history = { ...READY, history: 'failing' as const };
  expect(titles({}, history)).toEqual(['The history cannot be written']);
  expect(titles({}, { ...READY, status: 'starting' })).toEqual(['The collector starts']);
});

it('says what to do, and where', () => {
  const [full] = conditionsOf(someStats({ store_state: 'disk_full' }), READY, new Readings());
  expect(full?.todo).toContain('/var/lib/herdbook/collector');
  const { process } = someStats();
  const [few] = conditionsOf(
    someStats({ process: { ...process, open_fds: 19_000 } }),
    READY,
    new Readings(),
  );
  expect(few).toMatchObject({ title: '95 % of the descriptors are in use' });
  expect(few?.todo).toContain('19,000 of 20,000');
});

it('speaks of what was dropped lately only', () => {
  const before = read([0, { dropped: { bad_field: 7 } }], [2, { dropped: { bad_field: 7 } }]);
  expect(titles({}, READY, before)).toEqual([]);
  const now = read([0, { dropped: { bad_field: 7 } }], [2, { dropped: { bad_field: 8 } }]);
  expect(titles({}, READY, now)).toHaveLength(1);
});

it('tells a collector that waits for its processor', () => {
  const readings = read([0, { stalled_ms_total: 0 }], [100, { stalled_ms_total: 9000 }]);
  expect(titles({}, READY, readings)).toEqual(['The collector waited 9 % of the last 1 min']);
  const fewer = read([0, { stalled_ms_total: 0 }], [100, { stalled_ms_total: 900 }]);
  expect(titles({}, READY, fewer)).toEqual([]);
});

it('reaches back as far as there is something', () => {
  const { all } = read([0, {}], [300, {}]);
  expect(windowOf(all, START + 300_000)).toBe(300_000);
  expect(windowOf([], START)).toBe(60_000);
  expect(windowOf(all, START + KEPT_MS * 2)).toBe(KEPT_MS);
});

it('lists reasons by how often they were, also one that it does not know', () => {
  const rows = rowsOf({ bad_field: 0, too_large: 2, of_later: 1 }, DROPPED);
  expect(rows.map(({ title }) => title)).toEqual(['Too large', 'of_later', 'Wrong field']);
});
