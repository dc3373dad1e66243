import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ApiError, at, call, get, getAll, onRefusal } from './api.ts';

const fetched = vi.fn<(url: URL, request: RequestInit) => Promise<Response>>();

beforeEach(() => {
  vi.stubGlobal('document', { baseURI: 'http://collector/below/' });
  vi.stubGlobal('fetch', fetched);
});
afterEach(() => {
  fetched.mockReset();
  vi.unstubAllGlobals();
});

const answers = (status: number, body: unknown) =>
  fetched.mockResolvedValueOnce(new Response(JSON.stringify(body), { status }));

const refused = async (asking: Promise<unknown>): Promise<ApiError> => {
  const error: unknown = await asking.then(
    () => null,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
};

it('asks below the page, with what is known of the query, and encodes segments', async () => {
  answers(200, { name: 'gpu-1' });
  const path = at('services', '10.0.0.7:1/a b');
  expect(await get(path, { query: { view: 'full', limit: 3, cursor: undefined } })).toEqual({
    name: 'gpu-1',
  });
  const [url] = fetched.mock.calls[0]!;
  expect(String(url)).toBe(
    'http://collector/below/api/v1/services/10.0.0.7%3A1%2Fa%20b?view=full&limit=3',
  );
});

it('sends a body as JSON, and takes an empty answer for null', async () => {
  fetched.mockResolvedValueOnce(new Response(null, { status: 204 }));
  const done = await call('PATCH', 'hosts/a', {
    body: { drain: true },
    headers: { 'if-match': '"3"' },
  });
  expect(done).toBeNull();
  const [, request] = fetched.mock.calls[0]!;
  expect(request).toMatchObject({ method: 'PATCH', body: '{"drain":true}' });
  expect(request.headers).toMatchObject({
    'content-type': 'application/json',
    'if-match': '"3"',
  });
});

it('makes a problem an error with its words, field and what was expected', async () => {
  answers(422, {
    type: 'urn:herdbook:bad-field',
    title: 'A field is wrong',
    detail: 'until must be a time to come',
    field: 'until',
    expected: 'a time to come',
  });
  const error = await refused(call('POST', 'silences', { body: {} }));
  expect(error).toMatchObject({
    status: 422,
    message: 'until must be a time to come',
    field: 'until',
    expected: 'a time to come',
  });
  expect(error.body).toMatchObject({ type: 'urn:herdbook:bad-field' });
});

it('falls back on the title, then on the status, also where the answer is no JSON', async () => {
  answers(409, { title: 'A conflict', status: 409 });
  expect(await refused(get('hosts'))).toMatchObject({ message: 'A conflict', field: null });
  answers(500, 'just words');
  expect((await refused(get('hosts'))).message).toBe('The collector answered 500.');
  fetched.mockResolvedValueOnce(new Response('<html>bad gateway</html>', { status: 502 }));
  expect(await refused(get('hosts'))).toMatchObject({
    status: 502,
    message: 'The collector answered 502.',
    body: null,
  });
});

it('says that nobody answers, but leaves it to the caller that gave up', async () => {
  fetched.mockRejectedValueOnce(new TypeError('failed to fetch'));
  expect(await refused(get('hosts'))).toMatchObject({
    status: 0,
    message: 'The collector does not answer.',
  });
  const cause = new DOMException('aborted', 'AbortError');
  fetched.mockRejectedValueOnce(cause);
  await expect(get('hosts', { signal: AbortSignal.abort() })).rejects.toBe(cause);
});

it.each(['headers', 'body'])('waits for %s no longer than for all other things', async (which) => {
  vi.useFakeTimers();
  fetched.mockImplementationOnce((_, { signal }) => {
    const never = new Promise<never>((_, reject) =>
      signal!.addEventListener('abort', () => reject(signal!.reason as Error)),
    );
    if (which === 'headers') return never;
    const response = { ok: true, status: 200, headers: new Headers(), text: () => never };
    return Promise.resolve(response as unknown as Response);
  });
  const asking = refused(get('hosts', { signal: new AbortController().signal }));
  await vi.advanceTimersByTimeAsync(30_000);
  expect((await asking).message).toBe('The collector has not answered for 30 seconds.');
  vi.useRealTimers();
});

it('goes on page by page to the end', async () => {
  answers(200, { hosts: ['a', 'b'], next_cursor: 'b' });
  answers(200, { hosts: ['c'], next_cursor: null });
  const query = { status: 'online' };
  expect(await getAll('hosts', 'hosts', { query, most: 5000 })).toEqual({
    entries: ['a', 'b', 'c'],
    more: false,
  });
  const asked = fetched.mock.calls.map(([url]) => url.search);
  expect(asked).toEqual(['?status=online&limit=1000', '?status=online&limit=1000&cursor=b']);
});

it('stops at its bound, asks for no more than that, and says that there is more', async () => {
  const page = (from: number, n: number) => Array.from({ length: n }, (_, i) => from + i);
  answers(200, { hosts: page(0, 1000), next_cursor: '999' });
  answers(200, { hosts: page(1000, 200), next_cursor: '1199' });
  const { entries, more } = await getAll('hosts', 'hosts', { most: 1200 });
  expect(entries).toEqual(page(0, 1200));
  expect(more).toBe(true);
  expect(fetched.mock.calls.map(([url]) => url.searchParams.get('limit'))).toEqual(['1000', '200']);
});

it('says of what changes something that it is the page that asks, and sends no cookie elsewhere', async () => {
  answers(200, {});
  answers(200, {});
  await get('hosts');
  await call('DELETE', 'session');
  const [read, changed] = fetched.mock.calls.map(([, request]) => request);
  expect(read!.headers).not.toHaveProperty('x-herdbook');
  expect(changed).toMatchObject({ credentials: 'same-origin', headers: { 'x-herdbook': 'page' } });
});

it('tells of each refusal for want of a right, and what is said where the answer has no words', async () => {
  const told: number[] = [];
  onRefusal((status) => told.push(status));
  fetched.mockResolvedValueOnce(new Response('', { status: 401 }));
  expect((await refused(get('hosts'))).message).toMatch(/not signed in/);
  fetched.mockResolvedValueOnce(new Response('', { status: 403 }));
  expect((await refused(get('hosts'))).message).toMatch(/role does not allow/);
  answers(404, {});
  await refused(get('hosts'));
  expect(told).toEqual([401, 403]);
  onRefusal(() => {});
});

it('knows how long to wait where too much was asked', async () => {
  const headers = { 'retry-after': '30' };
  fetched.mockResolvedValueOnce(new Response('{"detail":"slow down"}', { status: 429, headers }));
  expect(await refused(get('hosts'))).toMatchObject({ message: 'slow down', retry_after_s: 30 });
});
