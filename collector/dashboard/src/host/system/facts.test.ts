import { expect, it } from 'vitest';
import type { HostDetail } from '../../feed/contract.ts';
import { loadFacts, systemFacts } from './facts.ts';

const aHost = (over: Partial<HostDetail> = {}) =>
  ({
    id: 'a',
    addresses: [],
    agent_version: '0.1.0',
    protocol: 1,
    interval_ms: 1000,
    first_seen: '2026-11-21T10:00:00Z',
    clock_skew_ms: 12,
    system: null,
    resources: null,
    detail: null,
    missing: {},
    ...over,
  }) as HostDetail;

const of = (facts: { name: string; text: string }[], name: string) =>
  facts.find((fact) => fact.name === name)?.text;

it('shows a dash for what is not known of the machine', () => {
  const facts = systemFacts(aHost());
  expect(of(facts, 'Processor')).toBe('–');
  expect(of(facts, 'Memory')).toBe('–');
  expect(of(facts, 'Samples')).toBe('every 1 s');
});

it('shows no number of a host that is not heard', () => {
  const host = aHost({
    resources: { load1: 1, swap_used_bytes: 5, missing: {} } as HostDetail['resources'],
    detail: { load5: 2, load15: 3, swap_total_bytes: 0, missing: {} } as HostDetail['detail'],
  });
  expect(of(loadFacts(host, true), 'Load, 1 · 5 · 15 min')).toBe('1.00 · 2.00 · 3.00');
  expect(of(loadFacts(host, true), 'Swap')).toBe('none');
  expect(loadFacts(host, false).every(({ text }) => text === '–')).toBe(true);
});

it('marks characters that would hide what a name is', () => {
  const facts = systemFacts(aHost({ addresses: ['10.0.0.7\u202E'] }));
  expect(of(facts, 'Addresses')).toBe('10.0.0.7\\u{202E}');
});
