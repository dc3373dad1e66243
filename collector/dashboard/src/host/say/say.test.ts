import { expect, it } from 'vitest';
import type { FindingCode, ServiceDetail } from '../../feed/contract.ts';
import { adviceFor, adviceForStatus } from './advice.ts';
import { adviceForLoopback, portOf } from './reach.ts';
import { saidOf } from './said.ts';

const CODES: FindingCode[] = [
  'duplicate_identity',
  'breaks_limits',
  'gpu_lost',
  'driver_mismatch',
  'gpu_timeout',
  'server_hung',
  'disk_nearly_full',
  'memory_pressure',
  'needs_credential',
  'exposed_without_credential',
  'known_vulnerable',
  'exposed_and_vulnerable',
];
const since = '2026-11-21T10:00:00Z';

const aServer = (over: Partial<ServiceDetail> = {}) =>
  ({
    id: 'gpu-1:11434',
    kind: 'ollama',
    url: 'http://127.0.0.1:11434',
    unit: 'ollama.service',
    container: null,
    status: 'healthy',
    reachable: 'host',
    findings: [],
    ...over,
  }) as unknown as ServiceDetail;

it.each(CODES)('says what %s means and what to do', (code) => {
  const advice = adviceFor(code);
  expect(advice?.means.length).toBeGreaterThan(20);
  expect(advice?.steps.length).toBeGreaterThan(0);
});

it('has no advice of its own for what it does not know', () => {
  expect(adviceFor('of_tomorrow')).toBeNull();
  const finding = { code: 'of_tomorrow' as FindingCode, severity: 'warning' as const, since };
  const host = {
    findings: [{ ...finding, message: 'new' }],
    status_since: since,
    expected_absent: false,
  };
  expect(saidOf('a', 'online', host, [])[0]?.title).toBe('Of tomorrow');
});

it('says how an Ollama on loopback is used from elsewhere, and what that opens', () => {
  const advice = adviceForLoopback(aServer({ url: 'http://127.0.0.1:11500' }), 'gpu-1');
  const all = advice.steps.map((step) => `${step.text}\n${step.lines ?? ''}`).join('\n');
  expect(all).toContain('systemctl edit ollama.service');
  expect(all).toContain('OLLAMA_HOST=0.0.0.0:11500');
  expect(all).toContain('no credential');
  expect(all).toContain('ssh -N -L 11500:127.0.0.1:11500 gpu-1');
});

it('writes no name into a line that a shell would read as more', () => {
  const advice = adviceForLoopback(aServer({ unit: 'x; rm -rf /' }), '$(reboot)');
  const lines = advice.steps.map((step) => step.lines ?? '').join('\n');
  expect(lines).not.toMatch(/rm -rf|reboot/);
  const option = adviceForLoopback(aServer(), '-oProxyCommand=x');
  expect(option.steps.map((step) => step.lines ?? '').join('\n')).not.toContain('-oProxy');
  expect(portOf('nonsense')).toBe('PORT');
});

it('tells the worst first, and a server that hangs once, with its unit', () => {
  const hung = { code: 'server_hung', severity: 'warning', message: 'hangs', since } as const;
  const lost = { code: 'gpu_lost', severity: 'critical', message: '1 GPU', since } as const;
  const said = saidOf(
    'gpu-1',
    'degraded',
    { findings: [hung, lost], status_since: since, expected_absent: false },
    [aServer({ findings: [hung], reachable: 'loopback', unit: 'my-ollama.service' })],
  );
  expect(said.map(({ key }) => key)).toEqual([
    ' gpu_lost',
    'gpu-1:11434 server_hung',
    'gpu-1:11434 loopback',
  ]);
  expect(said[1]?.advice?.steps[0]?.lines).toBe('journalctl -u my-ollama.service -n 100');
});

it('takes the absence of a host that is expected to be away for no trouble', () => {
  const host = { findings: [], status_since: since, expected_absent: true };
  expect(saidOf('a', 'offline', host, [])[0]?.severity).toBe('info');
  expect(saidOf('a', 'offline', { ...host, expected_absent: false }, [])[0]?.severity).toBe(
    'critical',
  );
  expect(adviceForStatus('online')).toBeNull();
});
