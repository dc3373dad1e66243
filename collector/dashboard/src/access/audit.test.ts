import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Audit } from './audit.svelte.ts';

const fetched = vi.fn<(url: URL) => Promise<Response>>();
/** How many entries there are; the newest has this number. */
let last: number;

beforeEach(() => {
  last = 250;
  vi.stubGlobal('document', { baseURI: 'http://collector/' });
  fetched.mockImplementation((url) => {
    const before = Number(url.searchParams.get('cursor') ?? last + 1);
    const limit = Number(url.searchParams.get('limit'));
    const n = Math.min(limit, before - 1);
    const audit = Array.from({ length: n }, (_, i) => ({ seq: before - 1 - i }));
    const next = before - n > 1 ? String(before - n) : null;
    return Promise.resolve(new Response(JSON.stringify({ audit, next_cursor: next })));
  });
  vi.stubGlobal('fetch', fetched);
});
afterEach(() => {
  fetched.mockReset();
  vi.unstubAllGlobals();
});

const settled = (audit: Audit) => vi.waitFor(() => expect(audit.waiting).toBe(false));
/** Each once, newest first, without a hole. */
const isWhole = (audit: Audit) =>
  audit.entries.every(({ seq }, i) => seq === audit.entries[0]!.seq - i);

it('begins with the newest and goes back to the first', async () => {
  const audit = new Audit();
  await settled(audit);
  expect(audit.entries[0]?.seq).toBe(250);
  expect(audit.more).toBe(true);
  await audit.further();
  await audit.further();
  expect(audit.entries.at(-1)?.seq).toBe(1);
  expect(audit.more).toBe(false);
  expect(isWhole(audit)).toBe(true);
  const asked = fetched.mock.calls.length;
  await audit.further();
  expect(fetched.mock.calls.length).toBe(asked);
});

it('puts what is new on top and keeps what was loaded', async () => {
  const audit = new Audit();
  await settled(audit);
  await audit.further();
  last = 253;
  await audit.renew();
  expect(audit.entries).toHaveLength(203);
  expect(isWhole(audit)).toBe(true);
  await audit.further();
  expect(audit.entries.at(-1)?.seq).toBe(1);
  expect(isWhole(audit)).toBe(true);
});

it('begins anew where more came than it asked for, so that no entry is missing unseen', async () => {
  const audit = new Audit();
  await settled(audit);
  last = 500;
  await audit.renew();
  expect(audit.entries[0]?.seq).toBe(500);
  expect(isWhole(audit)).toBe(true);
  await audit.further();
  expect(isWhole(audit)).toBe(true);
});

it('says why it got no answer, and keeps what there is', async () => {
  const audit = new Audit();
  await settled(audit);
  fetched.mockResolvedValueOnce(new Response('{"detail":"the disk is full"}', { status: 503 }));
  await audit.renew();
  expect(audit.error).toBe('the disk is full');
  expect(audit.entries).toHaveLength(100);
});
