// What people say of a host, as a form: what it holds, what is wrong in it, and the PATCH it makes.
import type { HostDetail, HostPatch } from '../../feed/contract.ts';

export interface Label {
  key: string;
  value: string;
}

export interface Form {
  role: string;
  notes: string;
  labels: Label[];
}

type Said = Pick<HostDetail, 'role' | 'notes' | 'labels'>;

export const formOf = (host: Said): Form => ({
  role: host.role,
  notes: host.notes,
  labels: Object.entries(host.labels).map(([key, value]) => ({ key, value })),
});

export interface Faults {
  role?: string;
  notes?: string;
  labels?: string;
}

const WORD_BYTES = 256;
const NOTES_BYTES = 4096;
const size = (text: string): number => new TextEncoder().encode(text).length;

/** What the collector would refuse, said before it is asked. */
export function faultsOf(form: Form): Faults {
  const faults: Faults = {};
  if (size(form.role.trim()) > WORD_BYTES) faults.role = 'At most 256 bytes.';
  if (size(form.notes) > NOTES_BYTES) faults.notes = 'At most 4 KiB.';
  const keys = filled(form).map(({ key }) => key);
  if (form.labels.some(({ key, value }) => key.trim() === '' && value.trim() !== '')) {
    faults.labels = 'A label needs a key.';
  } else if (new Set(keys).size < keys.length) {
    faults.labels = 'Each key can be there once.';
  } else if (filled(form).some(({ key, value }) => Math.max(size(key), size(value)) > WORD_BYTES)) {
    faults.labels = 'Keys and values have at most 256 bytes each.';
  }
  return faults;
}

const filled = (form: Form): Label[] =>
  form.labels
    .map(({ key, value }) => ({ key: key.trim(), value: value.trim() }))
    .filter(({ key }) => key !== '');

/** Only what differs from what was there when the form was opened; `null` where nothing does. */
export function patchOf(before: Said, form: Form): HostPatch | null {
  const patch: HostPatch = {};
  const role = form.role.trim();
  if (role !== before.role) patch.role = role === '' ? null : role;
  if (form.notes !== before.notes) patch.notes = form.notes === '' ? null : form.notes;
  const labels = labelsOf(before.labels, form);
  if (Object.keys(labels).length > 0) patch.labels = labels;
  return Object.keys(patch).length === 0 ? null : patch;
}

function labelsOf(before: Said['labels'], form: Form): Record<string, string | null> {
  const out: Record<string, string | null> = {};
  const after = new Map(filled(form).map(({ key, value }) => [key, value]));
  for (const [key, value] of after) if (before[key] !== value) out[key] = value;
  for (const key of Object.keys(before)) if (!after.has(key)) out[key] = null;
  return out;
}

/** Labels that were taken out and are there all the same: the agent tells them. */
export function staying(patch: HostPatch, after: Said): string[] {
  const labels = patch.labels ?? {};
  return Object.keys(labels).filter(
    (key) => labels[key] === null && Object.hasOwn(after.labels, key),
  );
}

type Fields = Readonly<Record<string, unknown>>;
interface Patch {
  labels?: Readonly<Record<string, string | null>> | null;
}
interface Labelled {
  labels: Readonly<Record<string, string>>;
}

/** What others changed meanwhile to something else than this patch would make it, in words. */
export function clashes(patch: Patch, before: Labelled, now: Labelled): string[] {
  const at = (thing: object, field: string) => written((thing as Fields)[field]);
  const isOpposed = (field: string) =>
    at(now, field) !== at(before, field) && at(now, field) !== at(patch, field);
  const out = Object.keys(patch)
    .filter((field) => field !== 'labels' && isOpposed(field))
    .map((field) => `the ${field.replaceAll('_', ' ')}`);
  for (const [key, mine] of Object.entries(patch.labels ?? {})) {
    const [was, is] = [labelOf(before, key), labelOf(now, key)];
    if (was !== is && is !== mine) out.push(`the label ${key}`);
  }
  return out;
}

/** Of its own: a key may be a name that every object has, such as `constructor`. */
const labelOf = ({ labels }: Labelled, key: string): string | null =>
  Object.hasOwn(labels, key) ? (labels[key] ?? null) : null;

const written = (value: unknown): string => JSON.stringify(value === '' ? null : (value ?? null));

/** The form over what the host says now: what was not touched in it takes what others made of it. */
export function rebased(form: Form, patch: HostPatch, now: Said): Form {
  const labels = new Map(Object.entries(now.labels));
  for (const [key, value] of Object.entries(patch.labels ?? {})) {
    if (value === null) labels.delete(key);
    else labels.set(key, value);
  }
  return {
    role: 'role' in patch ? form.role : now.role,
    notes: 'notes' in patch ? form.notes : now.notes,
    labels: [...labels].map(([key, value]) => ({ key, value })),
  };
}
