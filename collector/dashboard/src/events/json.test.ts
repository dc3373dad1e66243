import { afterEach, expect, it, vi } from 'vitest';
import { aChange } from '../feed/examples.ts';
import { LINES_MOST, pretty, wholeOf } from './json.ts';

afterEach(() => vi.unstubAllGlobals());

it('is pretty, hides nothing and ends somewhere', () => {
  expect(pretty({ name: 'a\u202Eb' }).text).toBe('{\n  "name": "a\\u{202E}b"\n}');
  const long = pretty(Array.from({ length: 1000 }, (_, i) => i));
  expect(long.text.split('\n')).toHaveLength(LINES_MOST);
  expect(long.n_lines_more).toBe(1002 - LINES_MOST);
  expect(pretty(undefined).text).toBe('null');
});

it('is the whole entity while the collector has it, else the short form', async () => {
  const change = aChange(7, 'host.changed', { data: { short: true } });
  vi.stubGlobal('document', { baseURI: 'http://collector/' });
  const answers = vi.fn<(url: URL) => Promise<Response>>();
  vi.stubGlobal('fetch', answers);
  answers.mockResolvedValueOnce(
    new Response(JSON.stringify({ events: [{ ...change, data: { whole: true } }] })),
  );
  expect(await wholeOf(change)).toEqual({ data: { whole: true }, isShort: false });
  expect(answers.mock.calls[0]![0].search).toBe('?since=e%3A6&limit=1&view=full');
  answers.mockResolvedValueOnce(new Response('{"detail":"reset"}', { status: 410 }));
  expect(await wholeOf(change)).toEqual({ data: { short: true }, isShort: true });
});
