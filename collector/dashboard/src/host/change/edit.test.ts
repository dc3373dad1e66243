import { expect, it } from 'vitest';
import { clashes, faultsOf, formOf, patchOf, rebased, staying } from './edit.ts';

const host = { role: 'worker', notes: '', labels: { zone: 'a', rack: 'r1' } };
const form = (over = {}) => ({ ...formOf(host), ...over });
const label = (key: string, value: string) => ({ key, value });

it('sends only what was changed', () => {
  expect(patchOf(host, form())).toBeNull();
  expect(patchOf(host, form({ role: ' spare ' }))).toEqual({ role: 'spare' });
  const labels = [label('zone', 'b'), label('team', 'x'), label('', '')];
  expect(patchOf(host, form({ labels }))).toEqual({ labels: { zone: 'b', team: 'x', rack: null } });
});

it('takes back what is emptied', () => {
  expect(patchOf(host, form({ role: '' }))).toEqual({ role: null });
  expect(patchOf({ ...host, notes: 'x' }, form({ notes: '' }))).toEqual({ notes: null });
});

it('says what the collector would refuse', () => {
  expect(faultsOf(form())).toEqual({});
  expect(faultsOf(form({ labels: [label('', 'x')] })).labels).toContain('key');
  expect(faultsOf(form({ labels: [label('a', '1'), label(' a', '2')] })).labels).toContain('once');
  expect(faultsOf(form({ labels: [label('a', 'ä'.repeat(129))] })).labels).toContain('256');
  expect(faultsOf(form({ role: 'x'.repeat(257) })).role).toContain('256');
  expect(faultsOf(form({ notes: 'x'.repeat(4097) })).notes).toContain('4 KiB');
});

it('knows labels that the agent keeps telling', () => {
  const patch = { labels: { zone: null, rack: null, team: 'x' } };
  expect(staying(patch, { ...host, labels: { zone: 'a', team: 'x' } })).toEqual(['zone']);
  const odd = { labels: { constructor: null } };
  expect(staying(odd, { ...host, labels: {} })).toEqual([]);
  expect(clashes(odd, { labels: { constructor: 'a' } }, { labels: {} })).toEqual([]);
});

it('finds two people at odds only where both changed the same to something else', () => {
  const patch = { role: 'mine', labels: { zone: 'b', rack: null } };
  const now = (over = {}) => ({ ...host, ...over });
  expect(clashes(patch, host, now())).toEqual([]);
  expect(clashes(patch, host, now({ notes: 'theirs' }))).toEqual([]);
  expect(clashes(patch, host, now({ role: 'mine' }))).toEqual([]);
  expect(clashes(patch, host, now({ role: 'theirs' }))).toEqual(['the role']);
  expect(clashes(patch, host, now({ labels: { zone: 'c', team: 'x' } }))).toEqual([
    'the label zone',
  ]);
});

it('keeps what was typed, and takes the rest from others', () => {
  const typed = form({ role: 'mine', labels: [label('zone', 'b')] });
  const patch = patchOf(host, typed)!;
  const now = { role: 'theirs', notes: 'theirs', labels: { zone: 'c', rack: 'r2', team: 'x' } };
  expect(rebased(typed, patch, now)).toEqual({
    role: 'mine',
    notes: 'theirs',
    labels: [label('zone', 'b'), label('team', 'x')],
  });
});
