import { expect, it } from 'vitest';
import { exposureOf } from './exposure.ts';

const finding = (code: string, message: string) => ({ code, message });
const open = finding('exposed_without_credential', 'it listens on 0.0.0.0');
const worse = finding('exposed_and_vulnerable', 'anybody can read its memory');
const hole = finding('known_vulnerable', 'its version has a hole');

it.each([
  [[open], 'open to the network', 'warning', 'it listens on 0.0.0.0'],
  [
    [open, worse],
    'open, with a known hole',
    'bad',
    'anybody can read its memory\nit listens on 0.0.0.0',
  ],
  [[hole], 'known hole', 'warning', 'its version has a hole'],
])('says the worst, and all of it in the words of the collector: %j', (findings, ...said) => {
  const [word, tone, why] = said;
  expect(exposureOf(findings)).toEqual({ word, tone, why });
});

it('says nothing for other reasons, nor where nothing is known', () => {
  expect(exposureOf([])).toBeNull();
  expect(exposureOf([finding('needs_credential', 'y')])).toBeNull();
});

it('shows what nobody can see', () => {
  expect(exposureOf([finding('known_vulnerable', 'a\u202eb')])?.why).not.toContain('\u202e');
});
