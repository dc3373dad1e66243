import { expect, it } from 'vitest';
import type { ServiceDetail } from '../feed/contract.ts';
import { aHost, aService } from '../feed/examples.ts';
import { reasons } from './reasons.ts';

const AT = '2026-11-21T10:00:00Z';

/** Of the full view, what reasons are made of. */
function aDetail(over: Partial<ServiceDetail> = {}): ServiceDetail {
  const plain = {
    kind: 'ollama',
    url: 'http://127.0.0.1:11434',
    unit: null,
    container: null,
    check: 'agent',
    drain: false,
    unconfirmed: false,
    flapping: false,
    findings: [],
    last_error: null,
    last_error_at: null,
    last_check: AT,
    last_heartbeat: null,
    consecutive_failures: 0,
  };
  return { ...plain, ...over } as ServiceDetail;
}
const texts = (...told: Parameters<typeof reasons>) => reasons(...told).map((one) => one.text);

it('has nothing to say of what is well', () => {
  expect(reasons(aService('a'), aDetail(), aHost('h'))).toEqual([]);
});

it('tells the last error with its moment and how often', () => {
  const detail = aDetail({
    last_error: 'connection refused',
    last_error_at: AT,
    consecutive_failures: 3,
  });
  const [first] = reasons(aService('a', { status: 'down' }), detail, null);
  expect(first).toEqual({ tone: 'bad', text: 'connection refused (3 times in a row)', at: AT });
});

it('names the host that is not heard, unless somebody else judges the service', () => {
  const service = aService('a', { host_id: 'h', status: 'unknown' });
  const host = aHost('h', { name: 'gpu-1', status: 'stale', last_seen: AT });
  expect(texts(service, aDetail(), host)).toEqual(['Its host gpu-1 is stale.']);
  expect(texts(service, null, host)).toEqual(['Its host gpu-1 is stale.']);
  expect(texts(service, aDetail({ check: 'probe' }), host)).toEqual(['It cannot be told.']);
});

it('tells its own drain from that of its host', () => {
  const service = aService('a', { status: 'draining' });
  expect(texts(service, aDetail({ drain: true }), null)).toEqual([
    'It drains: it gets nothing new.',
  ]);
  expect(texts(service, aDetail(), null)).toEqual(['It is drained with its host.']);
});

it('says what is doubtful, and what to do about loopback', () => {
  const detail = aDetail({ unconfirmed: true, flapping: true });
  const found = reasons(aService('a', { reachable: 'loopback' }), detail, null);
  expect(found.map((one) => one.text.slice(0, 12))).toEqual([
    'Unconfirmed ',
    'It keeps cha',
    'It listens o',
  ]);
  const steps = found[2]!.steps!.map((step) => `${step.text}\n${step.lines ?? ''}`).join('\n');
  expect(steps).toContain('OLLAMA_HOST');
  expect(steps).toContain('no credential');
});

it('never leaves an unwell service without a word', () => {
  const service = aService('a', { status: 'unhealthy' });
  expect(texts(service, null, null)).toEqual(['Its reason is being asked…']);
  expect(texts(service, aDetail(), null)).toEqual(['It gave no reason.']);
  const asked = aDetail({ check: 'probe', last_check: null });
  expect(texts(aService('a', { status: 'unknown' }), asked, null)).toEqual([
    'It was not asked yet.',
  ]);
});

it('does not say twice that a server hangs', () => {
  const service = aService('a', { status: 'unhealthy', state: 'hung' });
  const finding = {
    code: 'server_hung',
    severity: 'warning',
    message: 'it hangs',
    since: AT,
  } as const;
  expect(texts(service, aDetail({ findings: [finding] }), null)).toEqual(['it hangs']);
  expect(texts(service, aDetail(), null)).toHaveLength(1);
});
