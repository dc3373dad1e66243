import { expect, it } from 'vitest';
import { aHost, aService, aSnapshot } from '../feed/examples.ts';
import { start } from '../feed/fold.ts';
import { aGraph, COLD } from './examples.ts';
import { factsOf, nWarmOf, toneOf } from './facts.ts';
import { Fingers } from './fingers.ts';
import { layoutOf } from './layout.ts';
import { nestedOf } from './nested.ts';
import { topologyOf } from './topology.ts';
import { stepped } from './walk.ts';

const topology = topologyOf(
  aGraph({ s1: ['a', 'b'], s2: ['b'], s3: ['c'] }, { h1: ['s1'], h2: ['s2'] }),
);
const press = (pointerId: number, clientX: number, clientY = 0) => ({
  pointerId,
  clientX,
  clientY,
});
const FRAME = { left: 0, top: 0 };

it('takes statuses and warm models from the feed, and from the graph where it is silent', () => {
  const hosts = [aHost('h1', { status: 'stale' })];
  const services = [aService('s1', { status: 'down', warm: ['a'] })];
  const facts = factsOf(start(aSnapshot({ hosts, services })));
  const node = (id: string) => topology.nodes.get(id)!;
  expect(['h1', 'h2', 's1'].map((id) => facts.status(node(id)))).toEqual([
    'stale',
    'online',
    'down',
  ]);
  expect(facts.isWarm(node('s1'), node('model:a'))).toBe(true);
  expect(facts.isWarm(node('s1'), node('model:b'))).toBe(false);
  expect(nWarmOf(node('model:a'), topology, facts)).toBe(1);
  expect(['stale', 'down', null].map(toneOf)).toEqual(['warn', 'bad', 'idle']);
});

it('does not vouch for a collector that is not heard', () => {
  const collector = { ...topology.nodes.get('collector')!, status: 'online' };
  const fleet = start(aSnapshot());
  expect(factsOf(fleet).status(collector)).toBe('online');
  expect(factsOf(fleet, false).status(collector)).toBe('unknown');
  expect(factsOf(fleet, false).status(topology.nodes.get('model:a')!)).toBeNull();
});

it('lists the same, nested', () => {
  const facts = { ...COLD, isWarm: (_: unknown, model: { name: string }) => model.name === 'b' };
  const { hosts, services, models } = nestedOf(topology, facts);
  expect(hosts.map(({ node, nModels, nWarm }) => [node.id, nModels, nWarm])).toEqual([
    ['h1', 2, 1],
    ['h2', 1, 1],
  ]);
  expect(hosts[0]!.services[0]!.models.map(({ node }) => node.name)).toEqual(['b', 'a']);
  expect(services.map(({ node }) => node.id)).toEqual(['s3']);
  expect(models.map(({ nServices }) => nServices)).toEqual([1, 2, 1]);
});

it('walks by arrow keys within a column and along links', () => {
  const layout = layoutOf([...topology.nodes.values()], topology.links);
  expect(stepped('h1', 'down', layout, topology)).toBe('h2');
  expect(stepped('h1', 'up', layout, topology)).toBe('h1');
  expect(stepped('h2', 'right', layout, topology)).toBe('s2');
  expect(stepped('s2', 'left', layout, topology)).toBe('h2');
  expect(stepped('s3', 'left', layout, topology)).toBe('s3');
});

it('tells a drag from a click', () => {
  const fingers = new Fingers();
  fingers.down(press(1, 10));
  expect(fingers.move(press(1, 12), FRAME)).toBeNull();
  fingers.up(press(1, 12));
  expect(fingers.ateClick()).toBe(false);
  fingers.down(press(1, 10));
  expect(fingers.move(press(1, 30), FRAME)).toMatchObject({ dx: 20, by: 1 });
  fingers.up(press(1, 30));
  expect([fingers.ateClick(), fingers.ateClick()]).toEqual([true, false]);
});

it('pinches with two fingers', () => {
  const fingers = new Fingers();
  fingers.down(press(1, 0));
  fingers.down(press(2, 100));
  expect(fingers.move(press(2, 200), FRAME)).toEqual({
    dx: 50,
    dy: 0,
    by: 2,
    at: { x: 100, y: 0 },
  });
});

it('ignores a pointer that is not down, and other buttons', () => {
  const fingers = new Fingers();
  fingers.down({ ...press(1, 0), button: 2 });
  expect(fingers.move(press(1, 90), FRAME)).toBeNull();
});
