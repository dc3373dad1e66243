import { expect, it } from 'vitest';
import { ApiError } from '../../feed/api.ts';
import {
  bodyOf,
  EMPTY,
  labelsOf,
  identityOf,
  patchOf,
  wrongIn,
  wrongOf,
  type Fields,
} from './form.ts';

const fields = (over: Partial<Fields>): Fields => ({ ...EMPTY, ...over });

it('sends what was filled in, and nothing of what was not', () => {
  const form = fields({
    name: ' spare ',
    url: 'http://10.0.0.8:1',
    caps: 'chat, tools',
    priority: '-3',
  });
  expect(bodyOf(form)).toEqual({
    name: 'spare',
    type: 'model',
    url: 'http://10.0.0.8:1',
    check: 'probe',
    role: 'experimental',
    caps: ['chat', 'tools'],
    priority: -3,
  });
});

it('sends the times of beats only for a service that beats', () => {
  const form = fields({ heartbeat_interval_s: '60', ttl_s: '90' });
  expect(bodyOf(form)).not.toHaveProperty('ttl_s');
  expect(bodyOf({ ...form, check: 'heartbeat' })).toMatchObject({
    heartbeat_interval_s: 60,
    ttl_s: 90,
  });
});

it('sends a credential with its header, and asks for the missing half', () => {
  const form = fields({ credential_header: 'Authorization', credential_value: 'Bearer x' });
  expect(bodyOf(form).credential).toEqual({ header: 'Authorization', value: 'Bearer x' });
  expect(wrongIn({ ...form, credential_header: '' }, false)).toHaveProperty('credential_header');
  expect(wrongIn({ ...form, credential_value: '' }, false)).toHaveProperty('credential_value');
});

it('patches only what was changed, takes back what was emptied, and labels key by key', () => {
  const before = fields({ name: 'a', role: 'canary', ctx_limit: '8192', labels: 'team=a\nzone=x' });
  const after = { ...before, ctx_limit: '', labels: 'zone=y\nrack=b7' };
  expect(patchOf(before, after)).toEqual({
    ctx_limit: null,
    labels: { team: null, zone: 'y', rack: 'b7' },
  });
  expect(patchOf(before, { ...before, name: 'a ' })).toEqual({});
});

it('takes names that every object has for plain keys of labels', () => {
  const before = fields({ labels: 'constructor=a\ntoString=b' });
  expect(patchOf(before, EMPTY).labels).toEqual({ constructor: null, toString: null });
  expect(patchOf(EMPTY, before).labels).toEqual({ constructor: 'a', toString: 'b' });
});

it('takes a form for that of another service once its name, type or URL differs', () => {
  const form = fields({ name: 'a', url: 'http://10.0.0.8:1' });
  expect(identityOf({ ...form, url: ' http://10.0.0.8:1 ', priority: '4' })).toBe(identityOf(form));
  for (const over of [{ name: 'b' }, { type: 'tool' }, { url: 'http://10.0.0.9:1' }] as const)
    expect(identityOf({ ...form, ...over })).not.toBe(identityOf(form));
});

it('keeps an equals sign in the value of a label', () => {
  expect(labelsOf('key=a=b\n\n  other = c ')).toEqual({ key: 'a=b', other: 'c' });
  expect(wrongIn(fields({ labels: 'nothing' }), false).labels).toContain('nothing');
});

it('says which label has no key, and which key is there twice', () => {
  const wrong = (labels: string) => wrongIn(fields({ labels }), false).labels;
  expect(wrong('a=1\n =x')).toContain('“=x” has no key');
  expect(wrong('a=1\nb=2\n a = 3')).toContain('“a” is there more than once');
  expect(wrong('a=1\nb=1\nconstructor=')).toBeUndefined();
});

it('places a refusal at its field, and says the rest above', () => {
  const shown = ['ttl_s', 'caps', 'credential_value'] as const;
  const refused = (field: string | null) => new ApiError(422, 'it is short', field, 'at least 60');
  expect(wrongOf(refused('ttl_s'), shown)).toEqual({
    ttl_s: 'It is short. Expected: at least 60.',
  });
  expect(wrongOf(refused('caps[2]'), shown)).toHaveProperty('caps');
  expect(wrongOf(refused('credential.value'), shown)).toHaveProperty('credential_value');
  expect(wrongOf(refused('priority'), shown)).toHaveProperty('form');
  expect(wrongOf(refused(null), shown)).toHaveProperty('form');
});
