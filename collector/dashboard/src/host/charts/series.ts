// What a host measured, as charts want it: one list of instants, columns of values beside it, and an
// empty row wherever a row is missing, so that no line is drawn through a time of which nothing is known.
import type { HostSample, MissingReason, SamplesTable } from '../../feed/contract.ts';
import type { Readings, Ring } from '../../feed/ring.ts';

export type Values = readonly (number | null)[];

export interface Series {
  /** Seconds since 1970, ascending. */
  at: readonly number[];
  columns: ReadonlyMap<string, Values>;
  missing: Readonly<Record<string, MissingReason>>;
  step_s: number;
  /** What was asked for. */
  from_s: number;
  to_s: number;
}

/** Rows at least this long are sums of samples; shorter ones are samples as they came. */
const SUMMED_FROM_S = 30;
/** Between samples as they came, a pause of less than this is no gap, nor is one lost sample. */
const PAUSE_S = 5;
const PAUSE_STEPS = 3;
const SUMMED_STEPS = 1.5;

export const isSummed = (series: Pick<Series, 'step_s'>): boolean => series.step_s >= SUMMED_FROM_S;

export function read(table: SamplesTable): Series {
  const columns = new Map<string, (number | null)[]>();
  for (const [i, name] of table.columns.entries()) {
    if (name !== 'at')
      columns.set(
        name,
        table.rows.map((row) => numberOf(row[i])),
      );
  }
  const place = table.columns.indexOf('at');
  return {
    at: table.rows.map((row) => Date.parse(String(row[place])) / 1000),
    columns,
    missing: table.missing,
    step_s: table.step_s,
    from_s: Date.parse(table.from) / 1000,
    to_s: Date.parse(table.to) / 1000,
  };
}

const numberOf = (cell: unknown): number | null => (typeof cell === 'number' ? cell : null);

/** What was asked, and after its last row what the feed brought since: each sample once. */
export function withLive(series: Series, ring: Ring): Series {
  const last_s = series.at.at(-1) ?? series.from_s;
  // The same sample may be a fraction off: told by the row's clock and by the feed's.
  const live = ring.after(last_s + series.step_s / 2);
  if (live.at.length === 0) return series;
  const columns = new Map<string, Values>();
  for (const name of new Set([...series.columns.keys(), ...ring.names()])) {
    const before = series.columns.get(name) ?? empty(series.at.length);
    columns.set(name, [...before, ...(live.column(name) ?? empty(live.at.length))]);
  }
  return { ...series, at: [...series.at, ...live.at], columns };
}

const empty = (length: number): Values => new Array<null>(length).fill(null);

/** With an empty row after each row that the next one does not follow at once. */
export function withGaps(series: Series): Series {
  const most_s = isSummed(series)
    ? series.step_s * SUMMED_STEPS
    : Math.max(PAUSE_S, series.step_s * PAUSE_STEPS);
  const at: number[] = [];
  const breaks: number[] = [];
  for (const [i, at_s] of series.at.entries()) {
    const before_s = series.at[i - 1];
    if (before_s !== undefined && at_s - before_s > most_s) {
      breaks.push(i);
      at.push(before_s + Math.min(series.step_s, (at_s - before_s) / 2));
    }
    at.push(at_s);
  }
  if (breaks.length === 0) return series;
  const columns = new Map<string, Values>();
  for (const [name, values] of series.columns) columns.set(name, broken(values, breaks));
  return { ...series, at, columns };
}

function broken(values: Values, breaks: readonly number[]): Values {
  const out: (number | null)[] = [];
  let from = 0;
  for (const at of breaks) {
    for (; from < at; from++) out.push(values[from]!);
    out.push(null);
  }
  for (; from < values.length; from++) out.push(values[from]!);
  return out;
}

/** A sample of the feed, under the names of the columns. */
export function readings(sample: HostSample): Readings {
  const { resources, gpus } = sample;
  const out: Record<string, number | null> = { latency_ms: sample.latency_ms };
  if (resources) {
    out['cpu_percent'] = resources.cpu_percent;
    out['load1'] = resources.load1;
    out['memory_used_bytes'] = resources.memory_used_bytes;
    out['swap_used_bytes'] = resources.swap_used_bytes;
    out['network_receive_bytes_per_second'] = resources.network_receive_bytes_per_second;
    out['network_transmit_bytes_per_second'] = resources.network_transmit_bytes_per_second;
    out['disk_used_bytes'] = resources.disk_used_bytes;
    out['memory_pressure_percent'] = resources.pressure?.memory_some_avg10 ?? null;
  }
  for (const gpu of gpus ?? []) {
    const set = (field: string, value: number | null) => (out[`gpus.${gpu.id}.${field}`] = value);
    set('utilization_percent', gpu.utilization_percent);
    set('memory_used_bytes', gpu.memory_used_bytes);
    set('temperature_celsius', gpu.temperature_celsius);
    set('power_watts', gpu.power_watts);
    set('sm_clock_mhz', gpu.sm_clock_mhz);
  }
  return out;
}

const OF_GPU = /^gpus\.(.+)\.utilization_percent$/;

/** The ids of the GPUs that have columns, in their order. */
export function gpuIds(columns: Iterable<string>): string[] {
  return [...columns].flatMap((name) => OF_GPU.exec(name)?.[1] ?? []);
}
