// What the machine is and how its agent is connected, as names and values.
import type { HostDetail, MissingReason } from '../../feed/contract.ts';
import { shown } from '../../escape.ts';
import { bytes, count, DASH, moment, plural } from '../../format.ts';

export interface Fact {
  name: string;
  text: string;
  reason?: MissingReason | undefined;
}

const text = (value: string | null | undefined): string => (value ? shown(value) : DASH);

export function systemFacts(host: HostDetail): Fact[] {
  const { system } = host;
  const why = (field: string) => system?.missing[field] ?? host.missing['system'];
  const facts: Fact[] = [
    { name: 'System', text: text(system?.os), reason: why('os') },
    { name: 'Kernel', text: system ? `${shown(system.kernel)} ${shown(system.arch)}` : DASH },
    { name: 'Processor', text: text(system?.cpu_model), reason: why('cpu_model') },
    { name: 'Cores', text: cores(host), reason: why('cpu_cores') },
    {
      name: 'Memory',
      text: bytes(system?.memory_total_bytes),
      reason: why('memory_total_bytes'),
    },
    { name: 'Booted', text: moment(system?.boot_time), reason: why('boot_time') },
    { name: 'Addresses', text: host.addresses.map(shown).join(', ') || DASH },
    { name: 'Agent', text: `${shown(host.agent_version)}, protocol ${host.protocol}` },
    { name: 'Samples', text: `every ${count(host.interval_ms / 1000)} s` },
    { name: 'First seen', text: moment(host.first_seen) },
    { name: 'Id', text: shown(host.id) },
  ];
  if (system?.container) facts.push({ name: 'Container', text: shown(system.container) });
  return facts;
}

function cores(host: HostDetail): string {
  const n = host.system?.cpu_cores;
  if (n == null) return DASH;
  const limit = host.detail?.limits?.cpu_cores;
  return limit == null ? plural(n, 'core') : `${plural(n, 'core')}, ${limit} allowed`;
}

/** What moves and has no chart. */
export function loadFacts(host: HostDetail, known: boolean): Fact[] {
  const resources = known ? host.resources : null;
  const detail = known ? host.detail : null;
  const slow = detail?.missing ?? {};
  const number = (value: number | null | undefined) => (value == null ? DASH : value.toFixed(2));
  const part = (value: number | null | undefined) =>
    value == null ? DASH : `${value.toFixed(1)} %`;
  const pressure = resources?.pressure;
  const load = [resources?.load1, detail?.load5, detail?.load15];
  const skew_ms = known ? host.clock_skew_ms : null;
  return [
    {
      name: 'Load, 1 · 5 · 15 min',
      text: load.every((value) => value == null) ? DASH : load.map(number).join(' · '),
      reason: resources?.missing['load1'],
    },
    {
      name: 'Stalled for CPU',
      text: part(pressure?.cpu_some_avg10),
      reason: resources?.missing['pressure'],
    },
    {
      name: 'Stalled for memory',
      text: part(pressure?.memory_some_avg10),
      reason: resources?.missing['pressure'],
    },
    {
      name: 'Stalled for I/O',
      text: part(pressure?.io_some_avg10),
      reason: resources?.missing['pressure'],
    },
    {
      name: 'Waiting for I/O',
      text: part(detail?.iowait_percent),
      reason: slow['iowait_percent'],
    },
    { name: 'Stolen', text: part(detail?.steal_percent), reason: slow['steal_percent'] },
    {
      name: 'Memory available',
      text: bytes(detail?.memory_available_bytes),
      reason: slow['memory_available_bytes'],
    },
    {
      name: 'Memory cached',
      text: bytes(detail?.memory_cached_bytes),
      reason: slow['memory_cached_bytes'],
    },
    {
      name: 'Swap',
      text: swap(resources?.swap_used_bytes, detail?.swap_total_bytes),
      reason: resources?.missing['swap_used_bytes'],
    },
    {
      name: 'Clock skew',
      text: skew_ms === null ? DASH : `${count(skew_ms)} ms`,
      reason: host.missing['clock_skew_ms'],
    },
  ];
}

function swap(used: number | null | undefined, total: number | null | undefined): string {
  if (total === 0) return 'none';
  return total == null ? bytes(used) : used == null ? DASH : `${bytes(used)} of ${bytes(total)}`;
}
