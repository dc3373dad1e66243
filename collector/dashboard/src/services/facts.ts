// The fields of a service in groups, as words. What moves comes from its last sample where there is one.
import type { HostSummary, ServiceDetail, ServiceSample } from '../feed/contract.ts';
import { ago, count, DASH, moment, words } from '../format.ts';
import { kindName } from '../fleet/table/kinds.ts';
import { href } from '../route.ts';

export interface Fact {
  name: string;
  text: string | null;
  /** Shown on hover. */
  about?: string | undefined;
  words?: readonly string[];
  link?: string | undefined;
  mono?: boolean;
}
export interface FactGroup {
  title: string;
  facts: Fact[];
}

const SOURCES: Record<string, string> = {
  agent: 'agent: its host’s agent found it',
  self: 'self: it registered itself',
  manual: 'manual: a person added it',
  file: 'file: a file declares it',
};
const CHECKS: Record<ServiceDetail['check'], string> = {
  agent: 'agent: its host’s agent asks it',
  probe: 'probe: the collector asks it',
  heartbeat: 'heartbeat: it beats by itself',
};
const REACHES: Record<ServiceDetail['reachable'], string> = {
  loopback: 'from its own host only (loopback)',
  host: 'from the network, as its agent sees it',
  collector: 'the collector reached it',
  unknown: 'nobody knows',
};

export function factsOf(
  service: ServiceDetail,
  sample: ServiceSample | null,
  host: HostSummary | null,
  now_ms: number,
  fresh: boolean,
): FactGroup[] {
  return [
    { title: 'What it is', facts: identity(service) },
    { title: 'Where it is', facts: place(service, host) },
    { title: 'How it is checked', facts: checks(service, sample, now_ms, fresh) },
    { title: 'Load', facts: load(service, sample, fresh) },
    { title: 'For routers', facts: routing(service) },
    { title: 'Sources', facts: sources(service, now_ms) },
  ];
}

function identity(service: ServiceDetail): Fact[] {
  return [
    { name: 'Id', text: service.id, mono: true },
    { name: 'Type', text: service.type },
    { name: 'Kind', text: kindName(service.kind) || DASH },
    { name: 'Version', text: service.version, about: why(service, 'version') },
    { name: 'Unit', text: service.unit, mono: true, about: 'The systemd unit that runs it' },
    { name: 'Container', text: service.container, mono: true },
  ];
}

function place(service: ServiceDetail, host: HostSummary | null): Fact[] {
  const { host_id } = service;
  return [
    { name: 'URL', text: service.url, mono: true },
    {
      name: 'Host',
      text: host?.name ?? host_id,
      link: host_id === null ? undefined : href('hosts', host_id),
    },
    { name: 'Reachable', text: REACHES[service.reachable] },
    { name: 'Exposed', text: service.exposed ? 'listens beyond loopback' : 'no' },
    {
      name: 'Asks a credential',
      text: service.asks_credential === null ? null : service.asks_credential ? 'yes' : 'no',
    },
    {
      name: 'GPUs',
      text: service.gpu_ids.length > 0 ? service.gpu_ids.join(', ') : null,
      mono: true,
      about: why(service, 'gpu_ids'),
    },
  ];
}

function checks(
  service: ServiceDetail,
  sample: ServiceSample | null,
  now_ms: number,
  fresh: boolean,
): Fact[] {
  const last = sample?.last_check ?? service.last_check;
  const beat = sample?.last_heartbeat ?? service.last_heartbeat;
  const failures = sample?.consecutive_failures ?? service.consecutive_failures;
  const latency = sample?.check_latency_ms_avg ?? service.check_latency_ms_avg;
  const facts: Fact[] = [
    { name: 'Judged by', text: CHECKS[service.check] },
    { name: 'State told by', text: service.state_told_by },
    { name: 'Last check', text: fresh ? ago(last, now_ms) : DASH, about: moment(last) },
    { name: 'Failures in a row', text: fresh ? count(failures) : DASH },
    { name: 'Check latency', text: fresh ? milliseconds(latency) : DASH },
    {
      name: 'Sends a credential',
      text: service.credential_header === null ? 'no' : `yes, as ${service.credential_header}`,
    },
  ];
  if (service.check !== 'heartbeat') return facts;
  return [
    ...facts,
    { name: 'Last beat', text: fresh ? ago(beat, now_ms) : DASH, about: moment(beat) },
    { name: 'Beats every', text: seconds(service.heartbeat_interval_s) },
    { name: 'A beat holds', text: seconds(service.ttl_s) },
  ];
}

function load(service: ServiceDetail, sample: ServiceSample | null, fresh: boolean): Fact[] {
  const from = sample ?? service;
  const shown = (text: string) => (fresh ? text : DASH);
  return [
    { name: 'Pending', text: shown(count(from.pending)), about: 'Leases that are out on it' },
    { name: 'Leases ever', text: shown(count(from.total)) },
    {
      name: 'Latency',
      text: shown(milliseconds(from.latency_ms_avg)),
      about: 'Average of what routers told',
    },
    {
      name: 'Requests running',
      text: shown(count(from.requests_running)),
      about: why(service, 'requests_running'),
    },
    { name: 'Queued', text: shown(count(from.queue_depth)), about: why(service, 'queue_depth') },
    { name: '95 % within', text: shown(milliseconds(from.p95_ms)), about: why(service, 'p95_ms') },
    {
      name: 'Load',
      text: shown(from.load === null ? DASH : from.load.toFixed(2)),
      about: why(service, 'load'),
    },
  ];
}

function routing(service: ServiceDetail): Fact[] {
  const labels = Object.entries(service.labels).map(([key, value]) => `${key}=${value}`);
  return [
    { name: 'Role', text: service.role },
    { name: 'Drains', text: service.drain ? 'yes: it gets nothing new' : 'no' },
    { name: 'Priority', text: String(service.priority) },
    { name: 'Capabilities', text: null, words: service.caps },
    { name: 'Labels', text: null, words: labels },
    {
      name: 'Context limit',
      text: service.ctx_limit === null ? null : `${count(service.ctx_limit)} tokens`,
    },
    {
      name: 'Cost hint',
      text:
        service.cost_hint_usd_per_1k === null
          ? null
          : `$${service.cost_hint_usd_per_1k} per 1,000 tokens`,
    },
  ];
}

function sources(service: ServiceDetail, now_ms: number): Fact[] {
  return [
    { name: 'Told by', text: service.sources.map((one) => SOURCES[one] ?? one).join('; ') },
    { name: 'Other names', text: null, words: service.aliases },
    {
      name: 'Registered',
      text: ago(service.registered_at, now_ms),
      about: moment(service.registered_at),
    },
    { name: 'Revision', text: String(service.revision), about: 'Counts its changes' },
  ];
}

const why = (service: ServiceDetail, field: string): string | undefined => {
  const reason = service.missing[field];
  return reason ? words(reason) : undefined;
};
const milliseconds = (value: number | null): string =>
  value === null ? DASH : `${count(Math.round(value))} ms`;
const seconds = (value: number | null): string => (value === null ? DASH : `${count(value)} s`);
