// Text of a frame → a frame the page knows, or null for one it does not (a newer collector may send
// more kinds). It checks what a wrong value of would break the page; the rest is the contract.
import type { Frame } from './contract.ts';

type Fields = Record<string, unknown>;

export class BadFrame extends Error {}

export function decode(text: string): Frame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BadFrame('frame is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null) throw new BadFrame('frame is not an object');
  const fields = value as Fields;
  switch (fields['type']) {
    case 'snapshot':
      demand(fields, { epoch: 'string', seq: 'number', hosts: 'array', services: 'array' });
      break;
    case 'change':
      demand(inside(fields, 'change'), { epoch: 'string', seq: 'number', type: 'string' });
      break;
    case 'samples':
      demand(fields, { samples: 'array' });
      break;
    case 'fleet':
      demand(fields, {
        n_hosts: 'number',
        cpu_percent: 'array',
        memory_percent: 'array',
        vram_percent: 'array',
        gpu_percent: 'array',
      });
      break;
    default:
      return null;
  }
  return value as Frame;
}

function inside(fields: Fields, name: string): Fields {
  const value = fields[name];
  if (typeof value !== 'object' || value === null) {
    throw new BadFrame(`${String(fields['type'])} frame: ${name} is no object`);
  }
  return value as Fields;
}

function demand(fields: Fields, wanted: Record<string, 'string' | 'number' | 'array'>): void {
  for (const [name, kind] of Object.entries(wanted)) {
    const value = fields[name];
    const fits = kind === 'array' ? Array.isArray(value) : typeof value === kind;
    if (!fits) throw new BadFrame(`${String(fields['type'])} frame: ${name} is no ${kind}`);
  }
}
