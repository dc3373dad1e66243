import { expect, it } from 'vitest';
import { drawingOf, LINKS_MOST, NODES_MOST, scopeOf } from './drawing.ts';
import { aFleet, aGraph, COLD } from './examples.ts';
import { filterOf, matches, termsOf } from './filter.ts';
import { EACH_MOST } from './groups.ts';
import { topologyOf } from './topology.ts';

const small = topologyOf(aGraph({ s1: ['a', 'b'], s2: ['b'] }, { h1: ['s1'], h2: ['s2'] }));
const ids = (of: { nodes: ReadonlyMap<string, unknown> }) => [...of.nodes.keys()].sort();

it('shows all without a filter, and the ways to what matches one', () => {
  expect(scopeOf(small, COLD, '', '')).toBe(small);
  expect(ids(scopeOf(small, COLD, 'kind:model name:a', ''))).toEqual([
    'collector',
    'h1',
    'model:a',
    's1',
  ]);
  expect(ids(scopeOf(small, COLD, 'nothing like it', ''))).toEqual([]);
});

it('filters within what the focus is linked with', () => {
  expect(ids(scopeOf(small, COLD, '', 'h2'))).toEqual(['collector', 'h2', 'model:b', 's2']);
  expect(ids(scopeOf(small, COLD, 'h1', 'h2'))).toEqual([]);
  expect(scopeOf(small, COLD, '', 'gone')).toBe(small);
});

it('draws a small fleet whole, warm where the model is in memory', () => {
  const facts = { ...COLD, isWarm: () => true };
  const drawing = drawingOf(small, facts, '');
  expect(drawing.isGrouped).toBe(false);
  expect(drawing.nodes).toHaveLength(small.nodes.size);
  const warm = drawing.links.filter(({ nWarm }) => nWarm > 0);
  expect(warm.map(({ to }) => to).sort()).toEqual(['model:a', 'model:b', 'model:b']);
});

it('counts where a model is in memory among what is drawn', () => {
  const facts = { ...COLD, isWarm: ({ id }: { id: string }) => id === 's1' };
  const detail = (focus: string) =>
    drawingOf(scopeOf(small, facts, '', focus), facts, focus).nodes.find(
      ({ id }) => id === 'model:b',
    )?.detail;
  expect(detail('')).toBe('warm on 1 of 2 services');
  expect(detail('h1')).toBe('warm on 1 of 1 service');
  expect(detail('h2')).toBe('cold on 1 service');
});

it('calls no model cold that nobody is heard of', () => {
  const silent = { ...COLD, status: () => 'unknown' };
  const { nodes } = drawingOf(small, silent, '');
  expect(nodes.find(({ id }) => id === 'model:b')?.detail).toBe('on 2 services, not heard');
});

it('draws a large fleet as groups that lead to their members', () => {
  const fleet = topologyOf(aFleet(3000, ['a', 'b']));
  const { nodes, links, isGrouped } = drawingOf(fleet, COLD, '');
  expect(isGrouped).toBe(true);
  const hosts = nodes.find(({ kind }) => kind === 'host')!;
  expect(hosts.title).toBe('3,000 hosts');
  expect(hosts.filter).toBe('kind:host role:worker status:online');
  const members = [...fleet.nodes.values()].filter((node) =>
    matches(node, COLD, termsOf(hosts.filter!)),
  );
  expect(members).toHaveLength(3000);
  // The models are few, so each stays by itself.
  expect(nodes.filter(({ kind }) => kind === 'model').map(({ title }) => title)).toEqual([
    'a',
    'b',
  ]);
  expect(links.reduce((sum, { n }) => sum + n, 0)).toBe(fleet.links.length);
});

it('keeps the focus by itself in a crowd', () => {
  const fleet = topologyOf(aFleet(3000, ['a']));
  const { nodes } = drawingOf(fleet, COLD, 'h7');
  expect(nodes.map(({ id }) => id)).toContain('h7');
});

it('is bounded, however many roles, statuses, models and links there are', () => {
  const graph = aFleet(
    500,
    Array.from({ length: 90 }, (_, i) => `m${i}`),
  );
  for (const [i, node] of graph.nodes.entries()) {
    if (node.kind === 'host') node.role = `role ${i}`;
  }
  const { nodes, links } = drawingOf(topologyOf(graph), COLD, '');
  for (const kind of ['host', 'service', 'model']) {
    expect(nodes.filter((node) => node.kind === kind).length).toBeLessThanOrEqual(EACH_MOST + 1);
  }
  expect(nodes.length).toBeLessThan(NODES_MOST);
  expect(links.length).toBeLessThanOrEqual(LINKS_MOST);
  expect(nodes.find(({ title }) => title.includes('more models'))?.title).toBe('51 more models');
});

it('groups where there are few nodes but too many links', () => {
  const models = Array.from({ length: 80 }, (_, i) => `m${i}`);
  expect(drawingOf(topologyOf(aFleet(40, models)), COLD, '').isGrouped).toBe(true);
});

it('reads words and fields, and takes the colon of a model for what it is', () => {
  expect(termsOf('Llama3:8b status:stale role:"night shift"')).toEqual([
    { key: null, value: 'llama3:8b' },
    { key: 'status', value: 'stale' },
    { key: 'role', value: 'night shift' },
  ]);
  expect(termsOf('"two words" status:')).toEqual([{ key: null, value: 'two words' }]);
  const text = 'kind:host role:"night shift"';
  expect(filterOf(termsOf(text))).toBe(text);
});
