// Which charts a host has: those of the machine, and one a quantity for all of its GPUs together.
import type { FullGpu, Gpu, HostDetail } from '../../feed/contract.ts';
import { shown } from '../../escape.ts';
import { shortGpuName } from '../../fleet/table/gpus.ts';
import type { Unit } from './units.ts';

export interface Line {
  column: string;
  title: string;
  /** The custom property that holds its colour, without its dashes. */
  tone: string;
  dashed?: boolean;
  /** Which GPU it is of, by place. */
  gpu?: number;
}

export interface Chart {
  id: string;
  title: string;
  unit: Unit;
  lines: Line[];
  /** The end of the scale, where there is one by nature. */
  top?: number | null;
  /** Otherwise the scale reaches at least up to this, … */
  least?: number;
  /** … and down to this. */
  floor?: number;
}

type Machine = Pick<HostDetail, 'system' | 'resources'> | null;

/** All of them: first what people look at most. */
export function chartsOf(
  host: Machine,
  gpus: readonly DrawnGpu[],
  known: readonly Limits[],
): Chart[] {
  const [cpu, memory, ...rest] = machineCharts(host);
  return [cpu!, memory!, ...gpuCharts(gpus, known), ...rest];
}

export function machineCharts(host: Machine): Chart[] {
  const { resources, system } = host ?? {};
  const memory_bytes = resources?.memory_total_bytes ?? system?.memory_total_bytes ?? null;
  const swap = { ...line('swap_used_bytes', 'Swap', 'swap'), dashed: true };
  return [
    chart('cpu', 'CPU', 'percent', [line('cpu_percent', 'CPU', 'cpu')], { top: 100 }),
    chart('memory', 'Memory', 'bytes', [line('memory_used_bytes', 'RAM', 'memory'), swap], {
      top: memory_bytes,
    }),
    chart(
      'network',
      'Network',
      'rate',
      [
        line('network_receive_bytes_per_second', 'In', 'receive'),
        line('network_transmit_bytes_per_second', 'Out', 'transmit'),
      ],
      { least: 2 ** 16 },
    ),
    chart(
      'pressure',
      'Memory pressure',
      'share',
      [line('memory_pressure_percent', 'Stalled', 'pressure')],
      { least: 5 },
    ),
    chart('disk', 'Root disk', 'bytes', [line('disk_used_bytes', 'Used', 'disk')], {
      top: resources?.disk_total_bytes ?? null,
    }),
    chart('load', 'Load, 1 min', 'plain', [line('load1', 'Load', 'load')], { least: 1 }),
    chart('latency', 'Latency of its agent', 'ms', [line('latency_ms', 'Latency', 'latency')], {
      least: 2,
    }),
  ];
}

const line = (column: string, title: string, tone: string): Line => ({ column, title, tone });

/** More lines than this, and nobody can tell them apart. */
export const GPUS_MOST = 16;
/** As many colours as there are; those after them are dashed. */
export const TONES = 8;

export interface DrawnGpu {
  id: string;
  title: string;
  tone: string;
  dashed: boolean;
}

type Known = Pick<FullGpu | Gpu, 'id' | 'index' | 'name'>;

/** The GPUs that are drawn: those that have columns, in the order of the host, the gone ones last.
    `told` is null where the host does not tell which it has; `once` are those that it told before. */
export function drawnGpus(
  ids: readonly string[],
  told: readonly Known[] | null,
  once: ReadonlyMap<string, Known> = new Map(),
): DrawnGpu[] {
  const known = told ?? [];
  const order = new Map(known.map((gpu, i) => [gpu.id, i]));
  const place = (id: string) => order.get(id) ?? known.length;
  const sorted = [...ids].sort((a, b) => place(a) - place(b));
  const nameless = sorted.filter((id) => !order.has(id) && !once.has(id));
  const areAlike = new Set(known.map((gpu) => gpu.name)).size === 1;
  return sorted.slice(0, GPUS_MOST).map((id, i) => {
    const gpu = known[place(id)];
    return {
      id,
      title: gpu ? titleOf(gpu, areAlike) : titleOfGone(once.get(id), nameless, id, told !== null),
      tone: `gpu-${i % TONES}`,
      dashed: i >= TONES,
    };
  });
}

const titleOf = (gpu: Known, areAlike: boolean): string =>
  areAlike ? `GPU ${gpu.index}` : `${gpu.index} ${shown(shortGpuName(gpu.name))}`;

/** Of a GPU that only the past tells of; several without a number are told apart by their order. */
function titleOfGone(
  gpu: Known | undefined,
  nameless: readonly string[],
  id: string,
  isGone: boolean,
): string {
  const gone = isGone ? ' (gone)' : '';
  if (gpu) return `GPU ${gpu.index}${gone}`;
  return nameless.length === 1 ? `GPU${gone}` : `GPU${gone} no. ${nameless.indexOf(id) + 1}`;
}

type Limits = Pick<FullGpu | Gpu, 'memory_total_bytes' | 'power_limit_watts'>;

/** One GPU has the colours of its resources; several have a colour each, the same in every chart. */
export function gpuCharts(gpus: readonly DrawnGpu[], known: readonly Limits[]): Chart[] {
  if (gpus.length === 0) return [];
  const of = (
    id: string,
    title: string,
    unit: Unit,
    field: string,
    over: Partial<Chart> = {},
  ): Chart => {
    const lines = gpus.map((gpu, i): Line => {
      const column = `gpus.${gpu.id}.${field}`;
      if (gpus.length === 1) return { column, title, tone: id, gpu: i };
      return { column, title: gpu.title, tone: gpu.tone, dashed: gpu.dashed, gpu: i };
    });
    return chart(id, title, unit, lines, over);
  };
  return [
    of('gpu', 'GPU utilisation', 'percent', 'utilization_percent', { top: 100 }),
    of('vram', 'VRAM', 'bytes', 'memory_used_bytes', {
      top: most(known.map((gpu) => gpu.memory_total_bytes)),
    }),
    of('temperature', 'GPU temperature', 'celsius', 'temperature_celsius', {
      floor: 20,
      least: 90,
    }),
    of('power', 'GPU power', 'watts', 'power_watts', {
      least: most(known.map((gpu) => gpu.power_limit_watts)) ?? 100,
    }),
    of('clock', 'GPU clock', 'megahertz', 'sm_clock_mhz', { least: 1000 }),
  ];
}

function most(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function chart(
  id: string,
  title: string,
  unit: Unit,
  lines: Line[],
  over: Partial<Chart> = {},
): Chart {
  return { id, title, unit, lines, ...over };
}
