import { expect, it } from 'vitest';
import { aGraph } from './examples.ts';
import { altersGraph, entityOf, lineage, titleOf, topologyOf } from './topology.ts';

const graph = aGraph({ s1: ['a', 'b'], s2: ['b'] }, { h1: ['s1'], h2: ['s2'] });

it('leads every link from the collector towards the models', () => {
  const { after, before } = topologyOf(graph);
  expect(after.get('collector')).toEqual(['h1', 'h2']);
  expect(before.get('model:b')).toEqual(['s1', 's2']);
});

it('orders nodes by name as people count', () => {
  const { nodes } = topologyOf(aGraph({}, { h10: [], h9: [] }));
  expect([...nodes.keys()]).toEqual(['collector', 'h9', 'h10']);
});

it('leaves out what it does not know', () => {
  const nodes = [...graph.nodes, { ...graph.nodes[0]!, id: 'x', kind: 'moon' }];
  const links = [...graph.links, { source: 'x', target: 'h1', type: 'orbits', session_id: null }];
  const topology = topologyOf({ nodes, links });
  expect(topology.nodes.has('x')).toBe(false);
  expect(topology.links).toHaveLength(graph.links.length);
});

it('knows everywhere a model lives, and what a host runs', () => {
  const topology = topologyOf(graph);
  expect([...lineage(topology, ['model:a'])].sort()).toEqual(['collector', 'h1', 'model:a', 's1']);
  expect([...lineage(topology, ['h2'])].sort()).toEqual(['collector', 'h2', 'model:b', 's2']);
});

it('ends where links go in a circle', () => {
  const circle = new Map([
    ['a', ['b']],
    ['b', ['a']],
  ]);
  expect(lineage({ after: circle, before: circle }, ['a']).size).toBe(2);
});

it('finds the entity behind the id of a node', () => {
  expect(entityOf({ kind: 'model', id: 'model:llama:1b', name: 'llama:1b' })).toBe('llama:1b');
  expect(entityOf({ kind: 'service', id: 'service:model:x', name: 'x' })).toBe('model:x');
  expect(entityOf({ kind: 'service', id: 'gpu-1:11434', name: 'x' })).toBe('gpu-1:11434');
});

it('tells services apart that are called as their host', () => {
  const named = aGraph(
    { 'gpu:1': [], 'gpu:2': [], other: [] },
    { gpu: ['gpu:1', 'gpu:2', 'other'] },
  );
  for (const node of named.nodes) if (node.id.startsWith('gpu:')) node.name = 'gpu';
  const topology = topologyOf(named);
  const titles = ['gpu', 'gpu:1', 'gpu:2', 'other'].map((id) =>
    titleOf(topology.nodes.get(id)!, topology),
  );
  expect(titles).toEqual(['gpu', 'gpu:1', 'gpu:2', 'other']);
});

it('asks anew for what alters the graph, not for what comes by the feed', () => {
  expect(altersGraph({ type: 'model.installed' })).toBe(true);
  expect(altersGraph({ type: 'host.removed' })).toBe(true);
  expect(altersGraph({ type: 'model.loaded' })).toBe(false);
  expect(altersGraph({ type: 'service.state' })).toBe(false);
});
