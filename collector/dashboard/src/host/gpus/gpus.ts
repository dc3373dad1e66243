// What a GPU tells beside its load, in words.
import type { FullGpu, Gpu, GpuProcess, MissingReason } from '../../feed/contract.ts';
import { bytes, celsius, count, DASH, percent, watts, words } from '../../format.ts';

/** What samples bring over what was asked for: the newest of each. */
export function merged(
  full: FullGpu[] | null | undefined,
  live: readonly Gpu[] | null | undefined,
): FullGpu[] | null | undefined {
  if (!full || !live) return full;
  const byId = new Map(live.map((gpu) => [gpu.id, gpu]));
  return full.map((gpu) => {
    const now = byId.get(gpu.id);
    if (!now) return gpu;
    return { ...gpu, ...now, missing: { ...gpu.missing, ...now.missing } };
  });
}

export interface Fact {
  name: string;
  text: string;
  reason: MissingReason | undefined;
}

export function factsOf(gpu: FullGpu): Fact[] {
  const { detail } = gpu;
  const slow = detail?.missing ?? {};
  const megahertz = (value: number | null | undefined) =>
    value == null ? DASH : `${count(Math.round(value))} MHz`;
  const fact = (name: string, text: string, reason?: MissingReason): Fact => ({
    name,
    text,
    reason: text === DASH ? reason : undefined,
  });
  return [
    fact('Temperature', temperature(gpu), gpu.missing['temperature_celsius']),
    fact('Power', watts(gpu.power_watts, gpu.power_limit_watts), gpu.missing['power_watts']),
    fact('Clock', megahertz(gpu.sm_clock_mhz), gpu.missing['sm_clock_mhz']),
    fact('Memory clock', megahertz(detail?.memory_clock_mhz), slow['memory_clock_mhz']),
    fact('Fan', percent(gpu.fan_percent), gpu.missing['fan_percent']),
    fact('PCIe', pcie(gpu), slow['pcie_generation'] ?? gpu.missing['pcie_generation_max']),
    fact('ECC errors', ecc(gpu), slow['ecc_uncorrected_errors'] ?? gpu.missing['ecc_enabled']),
  ];
}

function temperature(gpu: FullGpu): string {
  const memory = gpu.detail?.memory_temperature_celsius;
  const core = celsius(gpu.temperature_celsius);
  return memory == null ? core : `${core}, memory ${celsius(memory)}`;
}

/** The link as it runs now, and what it could be where that is more: a card in a wrong slot shows. */
export function pcie(gpu: FullGpu): string {
  const { detail } = gpu;
  const now = link(detail?.pcie_generation, detail?.pcie_width);
  const most = link(gpu.pcie_generation_max, gpu.pcie_width_max);
  if (now === null) return most === null ? DASH : `up to ${most}`;
  return most === null || most === now ? now : `${now} of ${most}`;
}

const link = (generation: number | null | undefined, width: number | null | undefined) =>
  generation == null || width == null ? null : `gen ${generation} ×${width}`;

function ecc(gpu: FullGpu): string {
  if (gpu.ecc_enabled === false) return 'ECC is off';
  const { detail } = gpu;
  if (detail?.ecc_corrected_errors == null || detail.ecc_uncorrected_errors == null) return DASH;
  if (detail.ecc_corrected_errors === 0 && detail.ecc_uncorrected_errors === 0) return 'none';
  const [corrected, not] = [detail.ecc_corrected_errors, detail.ecc_uncorrected_errors];
  return `${count(corrected)} corrected, ${count(not)} not`;
}

const THROTTLED: Record<string, string> = {
  application_clocks: 'Clocks set by a program',
  power_cap: 'At its power limit',
  hardware_slowdown: 'Slowed by its hardware',
  sync_boost: 'Kept in step with others',
  thermal: 'Too hot',
  hardware_thermal: 'Much too hot',
  power_brake: 'Slowed by the power supply',
  display_clock: 'Clocks set for a display',
};

export const throttled = (reason: string): string => THROTTLED[reason] ?? words(reason);

/** That it draws what it may is how a busy GPU should be; the rest is worth a look. */
export const isWorrying = (reason: string): boolean =>
  !['power_cap', 'application_clocks', 'sync_boost', 'display_clock'].includes(reason);

/** Where a process belongs: its unit, or its container. */
export function homeOf(process: GpuProcess): string {
  if (process.unit !== null) return process.unit;
  return process.container === null ? '' : `container ${process.container.slice(0, 12)}`;
}

/** The largest first. */
export function processesOf(gpu: FullGpu): GpuProcess[] {
  const size = (process: GpuProcess) => process.memory_bytes ?? -1;
  return [...(gpu.processes ?? [])].sort((a, b) => size(b) - size(a) || a.pid - b.pid);
}

export interface Mig {
  id: string;
  text: string;
}

export function migOf(gpu: FullGpu): Mig[] {
  const used = new Map((gpu.detail?.mig ?? []).map((mig) => [mig.id, mig.memory_used_bytes]));
  return gpu.mig.map((mig) => {
    const now = used.get(mig.id) ?? null;
    const total = bytes(mig.memory_total_bytes);
    const profile = mig.profile ?? `MIG ${mig.index}`;
    return {
      id: mig.id,
      text: `${profile} · ${now === null ? total : `${bytes(now)} of ${total}`}`,
    };
  });
}
