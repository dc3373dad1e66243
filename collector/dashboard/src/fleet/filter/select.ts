// The hosts that the filters leave. Pure; what of a host is searched is kept until the host changes.
import type { HostSummary, ServiceSummary } from '../../feed/contract.ts';
import type { Fleet } from '../../feed/fold.ts';
import { words } from '../../format.ts';
import { isFiltered, type Filters } from './filters.ts';

const WORDS_MOST = 8;

export function select(fleet: Fleet, filters: Filters): HostSummary[] {
  if (!isFiltered(filters)) return [...fleet.hosts.values()];
  const tests = testsOf(fleet, filters);
  const found: HostSummary[] = [];
  for (const host of fleet.hosts.values()) {
    if (tests.every((test) => test(host))) found.push(host);
  }
  return found;
}

type Test = (host: HostSummary) => boolean;

function testsOf(fleet: Fleet, { q, values }: Filters): Test[] {
  const tests: Test[] = [];
  if (values.status.length > 0) tests.push((host) => values.status.includes(host.status));
  if (values.role.length > 0) tests.push((host) => values.role.includes(host.role));
  for (const [name, wanted] of labels(values.label)) {
    tests.push((host) => Object.hasOwn(host.labels, name) && wanted.has(host.labels[name]!));
  }
  if (values.model.length > 0) {
    const having = hostsWithModel(fleet, (name) => values.model.includes(name));
    tests.push(
      (host) => having.has(host.id) || host.warm.some((one) => values.model.includes(one)),
    );
  }
  for (const word of q.toLowerCase().split(/\s+/).filter(Boolean).slice(0, WORDS_MOST)) {
    const having = hostsWithModel(fleet, (name) => name.toLowerCase().includes(word));
    tests.push((host) => having.has(host.id) || haystack(fleet, host).includes(word));
  }
  return tests;
}

/** `zone=a` and `zone=b` are two values of one label. */
function labels(pairs: readonly string[]): Map<string, Set<string>> {
  const wanted = new Map<string, Set<string>>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const name = at < 0 ? pair : pair.slice(0, at);
    wanted.set(name, (wanted.get(name) ?? new Set()).add(at < 0 ? '' : pair.slice(at + 1)));
  }
  return wanted;
}

function hostsWithModel(fleet: Fleet, matches: (name: string) => boolean): Set<string> {
  const hosts = new Set<string>();
  for (const [name, services] of fleet.installed) {
    if (!matches(name)) continue;
    for (const id of services) {
      const host = fleet.services.get(id)?.host_id;
      if (host) hosts.add(host);
    }
  }
  return hosts;
}

interface Kept {
  services: readonly (ServiceSummary | undefined)[];
  text: string;
}
const haystacks = new WeakMap<HostSummary, Kept>();

function haystack(fleet: Fleet, host: HostSummary): string {
  const ids = fleet.servicesOf.get(host.id) ?? [];
  const known = haystacks.get(host);
  const same =
    known?.services.length === ids.length &&
    ids.every((id, i) => fleet.services.get(id) === known.services[i]);
  if (known && same) return known.text;
  const services = ids.map((id) => fleet.services.get(id));
  const pairs = Object.entries(host.labels).map(([name, value]) => `${name}=${value}`);
  const finding = host.finding ? `${host.finding.code} ${words(host.finding.code)}` : '';
  const flags = `${host.drain ? 'draining' : ''} ${host.expected_absent ? 'expected absent' : ''}`;
  const parts = [host.name, host.id, host.status, host.role, ...pairs, finding, flags];
  const texts = [...parts, ...services.map(serviceText), ...host.warm];
  const text = texts.join('\n').toLowerCase();
  haystacks.set(host, { services, text });
  return text;
}

export const serviceText = (one: ServiceSummary | undefined): string =>
  one ? `${one.kind} ${one.version ?? ''} ${one.state ?? ''}` : '';
