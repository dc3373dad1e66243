import { expect, it } from 'vitest';
import { aSample } from '../../feed/examples.ts';
import { Ring } from '../../feed/ring.ts';
import { gpuIds, read, readings, withGaps, withLive, type Series } from './series.ts';

const series = (at: number[], cpu: (number | null)[], step_s = 1): Series => ({
  at,
  columns: new Map([['cpu_percent', cpu]]),
  missing: {},
  step_s,
  from_s: at[0] ?? 0,
  to_s: at.at(-1) ?? 0,
});

it('reads rows into columns, the unknown as null', () => {
  const told = read({
    step_s: 60,
    from: '2026-11-21T10:00:00Z',
    to: '2026-11-21T10:10:00Z',
    complete: true,
    columns: ['at', 'n_samples', 'cpu_percent'],
    missing: { cpu_percent: 'cannot_tell' },
    rows: [
      ['2026-11-21T10:00:00.000Z', 60, 0],
      ['2026-11-21T10:01:00.000Z', 60, null],
    ],
  });
  expect(told.at[1]! - told.at[0]!).toBe(60);
  expect(told.columns.get('cpu_percent')).toEqual([0, null]);
  expect(told.columns.has('at')).toBe(false);
  expect(told.to_s - told.from_s).toBe(600);
});

it('breaks the line where rows are missing, once a gap', () => {
  const gapped = withGaps(series([60, 120, 300, 360, 900], [1, 2, 3, 4, 5], 60));
  expect(gapped.at).toEqual([60, 120, 180, 300, 360, 420, 900]);
  expect(gapped.columns.get('cpu_percent')).toEqual([1, 2, null, 3, 4, null, 5]);
});

it('draws over one lost sample, not over a pause', () => {
  const whole = series([1, 2, 4, 5], [1, 1, 1, 1]);
  expect(withGaps(whole)).toBe(whole);
  expect(withGaps(series([1, 2, 20], [1, 2, 3])).at).toEqual([1, 2, 3, 20]);
  const slow = series([0, 10, 30], [1, 1, 1], 10);
  expect(withGaps(slow)).toBe(slow);
  expect(withGaps(series([0, 10, 50], [1, 1, 1], 10)).at).toEqual([0, 10, 20, 50]);
});

it('goes on with the feed after the last row, each sample once', () => {
  const ring = new Ring();
  for (let at = 1; at <= 5; at++) ring.push(at + 0.2, { cpu_percent: at, latency_ms: 9 });
  const joined = withLive(series([1, 2, 3], [1, 2, 3]), ring);
  expect(joined.at).toEqual([1, 2, 3, 4.2, 5.2]);
  expect(joined.columns.get('cpu_percent')).toEqual([1, 2, 3, 4, 5]);
  expect(joined.columns.get('latency_ms')).toEqual([null, null, null, 9, 9]);
});

it('takes all of the feed where nothing is kept', () => {
  const ring = new Ring();
  ring.push(100, { cpu_percent: 7 });
  expect(withLive(series([], []), ring).columns.get('cpu_percent')).toEqual([7]);
});

it('names what the feed brings as the history does', () => {
  const named = readings(aSample('a', { latency_ms: 3 }));
  expect(named).toEqual({ latency_ms: 3 });
  expect(gpuIds(['cpu_percent', 'gpus.GPU-1.x.utilization_percent', 'gpus.b.power_watts'])).toEqual(
    ['GPU-1.x'],
  );
});
