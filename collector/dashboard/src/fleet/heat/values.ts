// What a GPU on the heat map shows: its own values where its host is sampled, else the host's mean.
import { shown } from '../../escape.ts';
import type { FleetView } from '../../fleet.svelte.ts';
import { isHeard } from '../../feed/live.ts';
import { percent, plural, share, shareOf } from '../../format.ts';
import { useStep } from '../../parts/gpuStep.ts';
import { shortGpuName } from '../table/gpus.ts';
import type { Section } from './layout.ts';

/** In a code, stands for a step or a tenth that is not known. */
export const UNKNOWN = 15;

/** What a square shows in one number: how busy its GPU is, and how full its memory, in tenths. */
const code = (use: number | null, memory: number | null): number =>
  (useStep(use) ?? UNKNOWN) | ((useStep(memory) ?? UNKNOWN) << 4);

export const stepOf = (code: number): number => code & 15;
export const memoryOf = (code: number): number => code >> 4;

/** Writes the codes of a host's GPUs to `codes`, from `first` on. */
export function codesOf(view: FleetView, id: string, n: number, codes: Uint8Array, first: number) {
  const gpus = view.fresh ? view.live.samples.get(id)?.gpus : null;
  const mean = view.fresh
    ? code(view.live.get(id, 'gpu'), view.live.get(id, 'vram'))
    : code(null, null);
  for (let i = 0; i < n; i++) {
    const gpu = gpus?.[i];
    codes[first + i] = gpu
      ? code(gpu.utilization_percent, shareOf(gpu.memory_used_bytes, gpu.memory_total_bytes))
      : mean;
  }
}

export interface Told {
  name: string;
  status: string;
  lines: string[];
}

/** What is said of a host, and of one GPU of it. */
export function tellHost(view: FleetView, id: string, gpu: number | null): Told | null {
  const host = view.fleet?.hosts.get(id);
  if (!host) return null;
  const told = (lines: string[]) => ({ name: shown(host.name), status: host.status, lines });
  if (!view.fresh || !isHeard(host.status)) return told(['Its GPUs are not known now']);
  const gpus = view.live.samples.get(id)?.gpus;
  if (!gpus) {
    const n = plural(host.gpus?.length ?? 0, 'GPU');
    const means = `${percent(view.live.get(id, 'gpu'))} busy, ${percent(view.live.get(id, 'vram'))} of VRAM`;
    return told([`${n}, mean: ${means}`]);
  }
  const picked = gpu === null ? gpus : gpus.slice(gpu, gpu + 1);
  const lines = picked.slice(0, 16).map((one) => {
    const memory = share(one.memory_used_bytes, one.memory_total_bytes);
    const name = `GPU ${one.index} ${shown(shortGpuName(one.name))}`;
    return `${name}: ${percent(one.utilization_percent)} busy, VRAM ${memory}`;
  });
  return told(picked.length > 16 ? [...lines, `and ${picked.length - 16} more`] : lines);
}

/** Hosts with GPUs, by group. */
export function sectionsOf(
  view: FleetView,
  groups: readonly { ids: readonly string[] }[],
  title: (i: number) => string | null,
): Section[] {
  return groups.map(({ ids }, i) => {
    const hosts = ids.map((id) => {
      const host = view.fleet?.hosts.get(id);
      return { id, name: shown(host?.name), n_gpus: host?.gpus?.length ?? 0 };
    });
    return { title: title(i), hosts: hosts.filter(({ n_gpus }) => n_gpus > 0) };
  });
}

/** Who is not on the map, in words: those that have no GPU, and those that cannot tell. */
export function leftOut(view: FleetView, ids: readonly string[]): string {
  let [n_without, n_untold] = [0, 0];
  for (const id of ids) {
    const gpus = view.fleet?.hosts.get(id)?.gpus;
    if (!gpus) n_untold++;
    else if (gpus.length === 0) n_without++;
  }
  const without = n_without > 0 && `${plural(n_without, 'host')} without a GPU`;
  const untold =
    n_untold > 0 &&
    `${plural(n_untold, 'host')} that cannot tell ${n_untold === 1 ? 'its' : 'their'} GPUs`;
  const who = [without, untold].filter(Boolean).join(' and ');
  if (who === '') return '';
  return `${who} ${n_without + n_untold === 1 ? 'is' : 'are'} not on the map.`;
}

export interface Summary {
  title: string;
  n_hosts: number;
  n_gpus: number;
  n_idle: number;
  n_busy: number;
  n_unknown: number;
}

export const IDLE_BELOW = 10;
export const BUSY_FROM = 90;

/** The map in figures, one line a group. */
export function summarise(
  view: FleetView,
  groups: readonly { ids: readonly string[] }[],
  title: (i: number) => string,
): Summary[] {
  return groups.map(({ ids }, i) => {
    const sum = { title: title(i), n_hosts: 0, n_gpus: 0, n_idle: 0, n_busy: 0, n_unknown: 0 };
    for (const id of ids) {
      const n = view.fleet?.hosts.get(id)?.gpus?.length ?? 0;
      if (n === 0) continue;
      sum.n_hosts++;
      sum.n_gpus += n;
      count(view, id, n, sum);
    }
    return sum;
  });
}

function count(view: FleetView, id: string, n: number, sum: Summary): void {
  const gpus = view.fresh ? view.live.samples.get(id)?.gpus : null;
  const mean = view.fresh ? view.live.get(id, 'gpu') : NaN;
  for (let i = 0; i < n; i++) {
    const gpu = gpus?.[i];
    const use = gpu ? (gpu.utilization_percent ?? NaN) : mean;
    if (Number.isNaN(use)) sum.n_unknown++;
    else if (use < IDLE_BELOW) sum.n_idle++;
    else if (use >= BUSY_FROM) sum.n_busy++;
  }
}
