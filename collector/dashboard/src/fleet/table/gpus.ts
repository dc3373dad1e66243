// How the GPUs of one host are called in little space.
import type { Gpu } from '../../feed/contract.ts';

export function shortGpuName(name: string): string {
  const model = name.replace(/^(NVIDIA|AMD|Intel)\s+/i, '').replace(/^(GeForce|Radeon)\s+/i, '');
  return model.replace(/\s+(PCIe\s+)?\d+\s?GB.*$/i, '');
}

/** `8× H200`, or `2× L40S + RTX 4090` where they differ. */
export function shortGpuNames(gpus: readonly Pick<Gpu, 'name'>[]): string {
  const n_by_name = new Map<string, number>();
  for (const gpu of gpus) {
    const name = shortGpuName(gpu.name);
    n_by_name.set(name, (n_by_name.get(name) ?? 0) + 1);
  }
  return [...n_by_name].map(([name, n]) => (n > 1 ? `${n}× ${name}` : name)).join(' + ');
}
