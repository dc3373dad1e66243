import { expect, it } from 'vitest';
import { ApiError } from '../feed/api.ts';
import type { Catalog, CatalogFault, CatalogReloaded } from '../feed/contract.ts';
import {
  faultWords,
  firstSkill,
  placeOf,
  refusalWords,
  reloadedWords,
  sourceOf,
  stateOf,
} from './words.ts';

const fault: CatalogFault = {
  file: '/etc/herdbook/services.d/big.toml',
  line: 5,
  key: 'priority',
  why: 'it is out of range',
  expected: '-1000 to 1000',
  other_file: null,
};
const catalog: Catalog = {
  name: 'services',
  kind: 'services',
  paths: [],
  n_entries: 1,
  loaded_at: '2026-11-21T10:00:00Z',
  error: null,
  left_out: [],
};

it('says where a skill comes from', () => {
  const path = '/etc/herdbook/skills/review/SKILL.md';
  expect(sourceOf({ source: 'file', path })).toBe('/etc/herdbook/skills/review');
  expect(sourceOf({ source: 'manual', path: null })).toBe('registered at run time');
});

it('says how a catalog does', () => {
  expect(stateOf(catalog)).toEqual({ word: 'loaded', tone: 'warm' });
  expect(stateOf({ ...catalog, error: fault }).word).toBe('rejected');
  expect(stateOf({ ...catalog, error: fault, loaded_at: null }).word).toBe('not loaded');
  expect(stateOf({ ...catalog, loaded_at: null }).word).toBe('not loaded yet');
  expect(stateOf({ ...catalog, left_out: [{ path: '/x', why: 'empty' }] }).word).toBe('1 left out');
});

it('names the place of a mistake', () => {
  expect(placeOf(fault)).toBe('/etc/herdbook/services.d/big.toml:5');
  expect(placeOf({ ...fault, line: null })).toBe('/etc/herdbook/services.d/big.toml');
});

it('says what is wrong in one sentence or two', () => {
  expect(faultWords(fault)).toBe('it is out of range. Expected: -1000 to 1000.');
  const twice = { ...fault, why: 'the name stands twice', expected: null, other_file: '/b.toml' };
  expect(faultWords(twice)).toBe('the name stands twice, as in /b.toml.');
});

it('says why a reload was refused', () => {
  const refused = new ApiError(422, '/b.toml:5: it is out of range', 'priority', '-1000 to 1000');
  expect(refusalWords(refused)).toBe(
    '/b.toml:5: it is out of range. Key priority, expected -1000 to 1000',
  );
  expect(refusalWords(new ApiError(0, 'The collector does not answer.'))).toBe(
    'The collector does not answer.',
  );
});

it('says what came of a reload', () => {
  const none = { added: [], changed: [], removed: [], left_out: [] };
  const reloaded: CatalogReloaded = {
    name: 'services',
    kind: 'services',
    n_entries: 2,
    n_added: 1,
    n_changed: 0,
    n_removed: 0,
    ...none,
  };
  expect(reloadedWords(reloaded)).toBe(
    'Read services anew: 1 added, 0 changed, 0 removed, 2 entries',
  );
  expect(reloadedWords({ ...reloaded, n_added: 0, n_entries: 1 })).toBe(
    'Read services anew: nothing has changed, 1 entry',
  );
});

it('quotes the folder of a first skill where a shell needs it', () => {
  expect(firstSkill('/srv/skills')).toContain('mkdir -p /srv/skills/review\n');
  expect(firstSkill("/srv/it's")).toContain(`mkdir -p '/srv/it'\\''s/review'\n`);
});
