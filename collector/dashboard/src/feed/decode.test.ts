import { expect, it } from 'vitest';
import { BadFrame, decode } from './decode.ts';

it('knows its four kinds and passes by what it does not know', () => {
  const change = { type: 'change', change: { epoch: 'e', seq: 1, type: 'host.online' } };
  expect(decode(JSON.stringify(change))).toMatchObject(change);
  expect(decode('{"type":"later"}')).toBeNull();
});

it.each([
  ['no JSON', '{'],
  ['no object', '3'],
  ['null', 'null'],
  ['a change without a number', '{"type":"change","change":{"epoch":"e","seq":"1","type":"x"}}'],
  ['a change that is none', '{"type":"change","epoch":"e","seq":1,"change":"x"}'],
  ['a snapshot without hosts', '{"type":"snapshot","epoch":"e","seq":1,"services":[]}'],
  ['samples that are no list', '{"type":"samples","samples":{}}'],
  ['a fleet without columns', '{"type":"fleet","n_hosts":1}'],
])('refuses %s', (_, text) => {
  expect(() => decode(text)).toThrow(BadFrame);
});
