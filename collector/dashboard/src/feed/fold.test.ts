import { describe, expect, it } from 'vitest';
import type { Change, HostSummary, ServiceSummary, Snapshot } from './contract.ts';
import { aChange, aHost, aModel, anAlert, aService, aSnapshot } from './examples.ts';
import { fold, start, type Fleet } from './fold.ts';

const host = (id: string, over: Partial<HostSummary> = {}) =>
  aHost(id, { cpu_percent: 1, memory_percent: 2, ...over });
const service = (id: string, over: Partial<ServiceSummary> = {}) =>
  aService(id, { host_id: 'a', ...over });
const snapshot = (over: Partial<Snapshot> = {}) =>
  aSnapshot({
    seq: 10,
    hosts: [host('a'), host('b')],
    services: [service('a:1')],
    fleet_models: [aModel('m:1', { services: ['a:1'] })],
    ...over,
  });

/** Numbers changes by itself, so that a test names only what matters. */
class Feed {
  readonly fleet: Fleet = start(snapshot());
  send(type: string, over: Partial<Change> = {}) {
    return fold(this.fleet, aChange(this.fleet.seq + 1, type, over));
  }
  warm = (id: string) => this.fleet.hosts.get(id)?.warm;
}

describe('order', () => {
  it('takes the next change and no other', () => {
    const feed = new Feed();
    expect(feed.send('session.opened')).toMatchObject({ kind: 'folded', hosts: [] });
    expect(feed.fleet.seq).toBe(11);
    expect(feed.send('host.online', { seq: 13 })).toEqual({ kind: 'gap' });
    expect(feed.send('host.online', { seq: 11 })).toEqual({ kind: 'gap' });
    expect(feed.send('host.online', { epoch: 'f' })).toEqual({ kind: 'gap' });
    expect(feed.fleet.seq).toBe(11);
  });

  it('counts changes that say nothing to the page', () => {
    const feed = new Feed();
    for (const change of ['fleet.mass_offline', 'catalog.reloaded', 'new.thing']) {
      expect(feed.send(change, { data: { any: 1 } })).toMatchObject({ kind: 'folded', hosts: [] });
    }
    expect(feed.fleet.seq).toBe(13);
    expect(feed.fleet.hosts.size).toBe(2);
  });
});

describe('hosts', () => {
  it('replaces, adds and removes', () => {
    const feed = new Feed();
    const stale = host('a', { status: 'stale', cpu_percent: null });
    expect(feed.send('host.stale', { host_id: 'a', data: stale })).toEqual({
      kind: 'folded',
      hosts: ['a'],
      membership: 'same',
    });
    expect(feed.fleet.hosts.get('a')).toBe(stale);
    expect(feed.send('host.registered', { host_id: 'c', data: host('c') })).toMatchObject({
      membership: 'changed',
    });
    expect(feed.fleet.membership_seq).toBe(12);
    feed.send('host.removed', { host_id: 'b' });
    expect([...feed.fleet.hosts.keys()]).toEqual(['a', 'c']);
  });

  it('takes the host out of a GPU change', () => {
    const feed = new Feed();
    const finding = { code: 'gpu_lost', severity: 'critical' } as const;
    feed.send('gpu.lost', { host_id: 'a', data: host('a', { finding }) });
    expect(feed.fleet.hosts.get('a')?.finding).toEqual(finding);
  });

  it('keeps a host that a change without data does not remove', () => {
    const feed = new Feed();
    feed.send('host.stale', { host_id: 'a' });
    expect(feed.fleet.hosts.has('a')).toBe(true);
  });
});

describe('services and models', () => {
  it('renews the warm models of the host', () => {
    const feed = new Feed();
    const data = service('a:2', { warm: ['z', 'b'] });
    feed.send('service.registered', { service_id: 'a:2', data });
    feed.send('model.loaded', { service_id: 'a:1', model: 'm', data: {} });
    feed.send('model.loaded', { service_id: 'a:1', model: 'b', data: {} });
    expect(feed.warm('a')).toEqual(['b', 'm', 'z']);
    feed.send('model.unloaded', { service_id: 'a:1', model: 'b', data: {} });
    expect(feed.warm('a')).toEqual(['b', 'm', 'z']);
    feed.send('service.removed', { service_id: 'a:2' });
    expect(feed.warm('a')).toEqual(['m']);
    expect(feed.fleet.servicesOf.get('a')).toEqual(['a:1']);
  });

  it('counts installed models and drops a removed one from the warm', () => {
    const feed = new Feed();
    feed.send('model.installed', { service_id: 'a:1', model: 'n', data: {} });
    feed.send('model.loaded', { service_id: 'a:1', model: 'n', data: {} });
    expect(feed.fleet.services.get('a:1')).toMatchObject({ n_models: 2, warm: ['n'] });
    expect(feed.fleet.installed.get('n')).toEqual(new Set(['a:1']));
    expect(feed.fleet.namesOf.get('a:1')).toContain('n');
    feed.send('model.removed', { service_id: 'a:1', model: 'n' });
    expect(feed.fleet.services.get('a:1')).toMatchObject({ n_models: 1, warm: [] });
    expect(feed.fleet.installed.has('n')).toBe(false);
    expect(feed.fleet.namesOf.get('a:1') ?? []).not.toContain('n');
  });

  it('loads the same model twice as once, in the order of the collector', () => {
    const feed = new Feed();
    for (const model of ['b', 'B', 'b', 'a']) {
      feed.send('model.loaded', { service_id: 'a:1', model, data: {} });
    }
    expect(feed.warm('a')).toEqual(['B', 'a', 'b']);
  });

  it('moves a service between hosts', () => {
    const feed = new Feed();
    feed.send('model.loaded', { service_id: 'a:1', model: 'm', data: {} });
    const data = service('a:1', { host_id: 'b', warm: ['m'] });
    const folded = feed.send('service.changed', { service_id: 'a:1', data });
    expect(folded).toMatchObject({ hosts: ['a', 'b'] });
    expect([feed.warm('a'), feed.warm('b')]).toEqual([[], ['m']]);
  });

  it('forgets the models of a service that goes', () => {
    const feed = new Feed();
    feed.send('model.installed', { service_id: 'a:1', model: 'n', data: {} });
    feed.send('service.removed', { service_id: 'a:1' });
    expect(feed.fleet.installed.has('n')).toBe(false);
    expect(feed.fleet.namesOf.has('a:1')).toBe(false);
  });

  it('ignores models of services it does not know', () => {
    const feed = new Feed();
    expect(feed.send('model.loaded', { service_id: 'x', model: 'm' })).toMatchObject({ hosts: [] });
  });
});

it('folds to what a snapshot at the end would say', () => {
  const feed = new Feed();
  feed.send('service.registered', { service_id: 'b:1', data: service('b:1', { host_id: 'b' }) });
  feed.send('model.installed', { service_id: 'b:1', model: 'q', data: {} });
  feed.send('model.loaded', { service_id: 'b:1', model: 'q', data: {} });
  feed.send('host.degraded', { host_id: 'a', data: host('a', { status: 'degraded' }) });
  const end = start(
    snapshot({
      seq: 14,
      hosts: [host('a', { status: 'degraded' }), host('b', { warm: ['q'] })],
      services: [service('a:1'), service('b:1', { host_id: 'b', n_models: 2, warm: ['q'] })],
      fleet_models: [aModel('m:1', { services: ['a:1'] }), aModel('q', { services: ['b:1'] })],
    }),
  );
  expect({ ...feed.fleet, membership_seq: 0 }).toEqual({ ...end, membership_seq: 0 });
});

describe('alerts', () => {
  it('keeps those that are open', () => {
    const feed = new Feed();
    const raised = anAlert('1');
    feed.send('alert.raised', { data: raised });
    expect([...feed.fleet.alerts.values()]).toEqual([raised]);
    feed.send('alert.resolved', { data: { ...raised, resolved_at: '2026-11-21T10:05:00Z' } });
    expect(feed.fleet.alerts.size).toBe(0);
  });

  it('begins with those of the snapshot', () => {
    const fleet = start(snapshot({ alerts: [anAlert('1'), anAlert('2')] }));
    expect([...fleet.alerts.keys()]).toEqual(['1', '2']);
  });
});

it.each(['host.pending', 'host.approved', 'host.revoked'])(
  'does not take the key that %s carries for a host',
  (type) => {
    const feed = new Feed();
    const key = { fingerprint: 'sha256:x', host_id: 'a', name: 'gpu-1', state: 'approved' };
    const before = feed.fleet.hosts.get('a');
    expect(feed.send(type, { host_id: 'a', data: key })).toMatchObject({ hosts: [] });
    expect(feed.send(type, { data: { ...key, host_id: null } })).toMatchObject({ hosts: [] });
    expect(feed.fleet.hosts.get('a')).toBe(before);
    expect(feed.fleet.hosts.size).toBe(2);
  },
);
