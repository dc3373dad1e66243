import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ListedAlert } from '../feed/contract.ts';
import { anAlert } from '../feed/examples.ts';
import { MOST, PastAlerts } from './past.svelte.ts';

/** Alerts as the collector keeps them: one a minute, the newest first, by pages of fifty. */
class Kept {
  alerts: ListedAlert[] = [];
  asked: URLSearchParams[] = [];
  fails = false;

  raise(n: number): void {
    for (let i = 0; i < n; i++) {
      const number = this.alerts.length;
      const raised_at = new Date(
        Date.parse('2026-11-21T00:00:00Z') + number * 60_000,
      ).toISOString();
      this.alerts.unshift({ ...anAlert(`${number}`, { raised_at }), silenced_by: null });
    }
  }

  fetch = (url: URL): Promise<Response> => {
    if (this.fails) return Promise.reject(new TypeError('no network'));
    const query = url.searchParams;
    this.asked.push(query);
    const after = query.get('cursor');
    const from = after === null ? 0 : this.alerts.findIndex(({ id }) => id === after) + 1;
    const end = from + Number(query.get('limit'));
    const alerts = this.alerts.slice(from, end);
    const next_cursor = end < this.alerts.length ? alerts.at(-1)!.id : null;
    return Promise.resolve(new Response(JSON.stringify({ alerts, next_cursor })));
  };
}

let kept: Kept;
beforeEach(() => {
  kept = new Kept();
  vi.stubGlobal('document', { baseURI: 'http://collector/' });
  vi.stubGlobal('fetch', kept.fetch);
});
afterEach(() => vi.unstubAllGlobals());

async function loaded(query: Record<string, string> = {}): Promise<PastAlerts> {
  const past = new PastAlerts(query);
  await vi.waitFor(() => expect(past.waiting).toBe(false));
  return past;
}
const ids = (past: PastAlerts) => past.alerts.map(({ id }) => id);

it('loads a page, and further ones to the end', async () => {
  kept.raise(120);
  const past = await loaded({ rule: 'gpu_hot' });
  expect([past.alerts.length, past.more]).toEqual([50, true]);
  await past.further();
  await past.further();
  expect(ids(past)).toEqual(kept.alerts.map(({ id }) => id));
  expect(past.more).toBe(false);
  await past.further();
  expect(kept.asked.map((query) => query.get('cursor'))).toEqual([null, '70', '20']);
  expect(kept.asked.every((query) => query.get('rule') === 'gpu_hot')).toBe(true);
});

it('takes in what is new at the top, and goes on below from where it was', async () => {
  kept.raise(120);
  const past = await loaded();
  await past.further();
  kept.raise(2);
  await past.renew();
  expect(past.alerts).toHaveLength(102);
  expect(ids(past).slice(0, 3)).toEqual(['121', '120', '119']);
  await past.further();
  expect(new Set(ids(past)).size).toBe(122);
});

it('lets go of what is no longer of this kind', async () => {
  kept.raise(3);
  const past = await loaded();
  kept.alerts.splice(1, 1);
  await past.renew();
  expect(ids(past)).toEqual(['2', '0']);
});

it('keeps what it has when nobody answers, and says so', async () => {
  kept.raise(3);
  const past = await loaded();
  kept.fails = true;
  await past.renew();
  expect([past.alerts.length, past.error]).toEqual([3, 'The collector does not answer.']);
  kept.fails = false;
  await past.renew();
  expect(past.error).toBeNull();
});

it('starts anew from the top where more came than a page holds', async () => {
  kept.raise(60);
  const past = await loaded();
  await past.further();
  kept.raise(120);
  await past.renew();
  expect([past.alerts.length, past.more]).toEqual([50, true]);
  while (past.more) await past.further();
  expect(ids(past)).toEqual(kept.alerts.map(({ id }) => id));
});

it('takes no page from below a place that it left meanwhile', async () => {
  kept.raise(120);
  const past = await loaded();
  const further = past.further();
  kept.raise(120);
  await Promise.all([further, past.renew()]);
  while (past.more) await past.further();
  expect(ids(past)).toEqual(kept.alerts.map(({ id }) => id));
});

it('holds as many as anybody scrolls through, however many come', async () => {
  kept.raise(MOST);
  const past = await loaded();
  while (past.more) await past.further();
  kept.raise(20);
  await past.renew();
  expect([past.alerts.length, past.alerts[0]?.id, past.more]).toEqual([
    MOST,
    `${MOST + 19}`,
    false,
  ]);
});
