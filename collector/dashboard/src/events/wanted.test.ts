import { expect, it } from 'vitest';
import { aChange, aHost, aModel, anAlert, aService, aSnapshot } from '../feed/examples.ts';
import { start } from '../feed/fold.ts';
import { TROUBLE, causeOf, kindOf, manyOf, titleOf, toneOf } from './kinds.ts';
import { Names, namesOfMany, subjectsOf } from './subject.ts';
import { askedOf, passes, saysText, wantedOf } from './wanted.ts';

const fleet = start(
  aSnapshot({
    hosts: [aHost('a', { name: 'gpu-1' })],
    services: [aService('s', { name: 'ollama', host_id: 'a' })],
    fleet_models: [aModel('llama3:8b', { services: ['s'] })],
  }),
);
const names = new Names(fleet, []);
const loaded = aChange(1, 'model.loaded', { host_id: 'a', service_id: 's', model: 'llama3:8b' });
const lost = aChange(2, 'gpu.lost', { host_id: 'a', cause: 'NVIDIA H200 (GPU-0)' });

it('reads the address, and takes no family for one that is none', () => {
  expect(wantedOf({ family: 'gpu', trouble: 'yes', q: '  GPU-1 ', host: 'a' })).toEqual({
    family: 'gpu',
    trouble: true,
    text: 'gpu-1',
    host: 'a',
    service: null,
    model: null,
  });
  expect(wantedOf({ family: 'hosts', trouble: 'no' })).toMatchObject({
    family: null,
    trouble: false,
  });
});

it('asks the collector for all that it can choose itself', () => {
  expect(askedOf(wantedOf({ q: 'x' }))).toEqual({});
  expect(askedOf(wantedOf({ family: 'gpu', host: 'a' }))).toEqual({ types: 'gpu.', host: 'a' });
  expect(askedOf(wantedOf({ family: 'gpu', trouble: 'yes' })).types).toBe('gpu.lost');
  expect(askedOf(wantedOf({ family: 'service', trouble: 'yes' })).types).toContain('service.state');
  expect(askedOf(wantedOf({ family: 'model', trouble: 'yes' })).types).toBe('model.');
  // The collector takes 64 types at most.
  expect(TROUBLE.length).toBeGreaterThan(5);
  expect(TROUBLE.length).toBeLessThan(64);
});

it('lets live changes through by the same rule', () => {
  const through = (query: Record<string, string>) =>
    [loaded, lost].filter((change) => passes(wantedOf(query), change));
  expect(through({})).toEqual([loaded, lost]);
  expect(through({ family: 'model' })).toEqual([loaded]);
  expect(through({ trouble: 'yes' })).toEqual([lost]);
  expect(through({ host: 'a', service: 's' })).toEqual([loaded]);
  expect(through({ host: 'b' })).toEqual([]);
  expect(through({ model: 'llama3:8b' })).toEqual([loaded]);
});

it('finds words in names, causes and what happened', () => {
  const found = (text: string) => [loaded, lost].filter((one) => saysText(text, one, names));
  expect(found('gpu-1')).toEqual([loaded, lost]);
  expect(found('h200')).toEqual([lost]);
  expect(found('model loaded')).toEqual([loaded]);
  expect(found('nowhere')).toEqual([]);
});

it('names whom it is about, each with its page while it has one', () => {
  expect(subjectsOf(loaded, names)).toEqual([
    { name: 'llama3:8b', to: '#/models/llama3%3A8b' },
    { name: 'ollama', to: '#/services/s' },
    { name: 'gpu-1', to: '#/hosts/a' },
  ]);
  const twice = start(
    aSnapshot({ hosts: [aHost('a')], services: [aService('s', { name: 'a', host_id: 'a' })] }),
  );
  const down = aChange(5, 'service.down', { host_id: 'a', service_id: 's' });
  expect(subjectsOf(down, new Names(twice, []))).toEqual([{ name: 'a', to: '#/services/s' }]);
  const alert = aChange(3, 'alert.raised', { data: anAlert('x') });
  expect(subjectsOf(alert, names)).toEqual([{ name: 'a', to: '#/hosts/a' }]);
  const mass = aChange(4, 'fleet.mass_offline', { data: { n_hosts: 40 } });
  expect(subjectsOf(mass, names)).toEqual([{ name: '40 hosts', to: '#/hosts' }]);
});

it('keeps the name of what is gone', () => {
  const known = aChange(1, 'host.online', { host_id: 'b', data: aHost('b', { name: 'gpu-9' }) });
  const removed = aChange(2, 'host.removed', { host_id: 'b' });
  expect(subjectsOf(removed, new Names(fleet, [known]))).toEqual([{ name: 'gpu-9', to: null }]);
  expect(subjectsOf(removed, names)).toEqual([{ name: 'b', to: null }]);
});

it('names some of many', () => {
  const many = ['b', 'c', 'd', 'e', 'e'].map((id, i) =>
    aChange(i, 'host.offline', { host_id: id, data: aHost(id) }),
  );
  expect(namesOfMany(many, names)).toBe('b, c, d and 1 more');
});

it('says what happened, and how bad that is', () => {
  expect(titleOf(lost)).toBe('GPU lost');
  const state = (state: 'hung' | 'busy') =>
    aChange(1, 'service.state', { data: aService('s', { state }) });
  expect([titleOf(state('hung')), toneOf(state('hung'))]).toEqual(['Service hung', 'warn']);
  expect(toneOf(state('busy'))).toBe('calm');
  const raised = aChange(1, 'alert.raised', { data: anAlert('x', { severity: 'info' }) });
  expect([titleOf(raised), toneOf(raised)]).toEqual(['Alert: Host offline', 'calm']);
  expect(causeOf(raised)).toBe('a is offline');
  expect(causeOf(aChange(1, 'session.closed', { cause: 'lost' }))).toBe('the connection broke');
  expect(causeOf(aChange(1, 'session.closed', { cause: 'constructor' }))).toBe('constructor');
  const changed = (status: 'unknown' | 'healthy') =>
    aChange(1, 'service.changed', { data: aService('s', { status }) });
  expect(manyOf([changed('unknown'), changed('unknown')])).toBe('services not known');
  expect(manyOf([changed('unknown'), changed('healthy')])).toBe('services changed');
  expect(kindOf('gpu.melted').title).toBe('gpu melted');
});
