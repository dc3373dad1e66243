// What a change changed, in words: its entity held against the one that the change before it told.
import { isKeyChange } from '../feed/access.ts';
import type { Change } from '../feed/contract.ts';
import { DASH, bytes, count, words } from '../format.ts';
import { familyOf, fieldsOf } from './kinds.ts';

export interface Fact {
  title: string;
  /** As it was, where that is known and was another. */
  before: string | null;
  now: string;
}

type Fields = Record<string, unknown>;

/** What is worth a line, in this order. Figures that move all the time are not. */
const TITLES: Record<string, string> = {
  status: 'Status',
  state: 'State',
  finding: 'Finding',
  name: 'Name',
  role: 'Role',
  kind: 'Kind',
  version: 'Version',
  reachable: 'Reachable from',
  n_models: 'Models',
  warm: 'In memory',
  gpus: 'GPUs',
  labels: 'Labels',
  drain: 'Drains',
  expected_absent: 'May be away',
  rule: 'Rule',
  severity: 'Severity',
  message: 'Message',
  remote_address: 'From',
  from_address: 'From',
  fingerprint: 'Fingerprint',
  how: 'Came in by',
  approved_by: 'Approved by',
  parameters: 'Parameters',
  quantization: 'Quantization',
  size_bytes: 'Size',
  vram_bytes: 'VRAM',
  context_length: 'Context',
  loaded_context_length: 'Context as loaded',
  expires_at: 'Leaves memory at',
  n_entries: 'Entries',
  added: 'Added',
  changed: 'Changed',
  removed: 'Removed',
  error: 'Fault',
  n_hosts: 'Hosts',
  n_services: 'Services',
};

/** The change before it of the same entity, among those that are held (oldest first). */
export function before(changes: readonly Change[], change: Change): Change | null {
  const entity = entityOf(change);
  if (entity === null) return null;
  let found: Change | null = null;
  for (const one of changes) {
    if (one.epoch === change.epoch && one.seq >= change.seq) break;
    if (entityOf(one) === entity && fieldsOf(one)) found = one;
  }
  return found;
}

function entityOf(change: Change): string | null {
  if (isKeyChange(change)) return null;
  switch (familyOf(change.type)) {
    case 'host':
    case 'gpu':
      return `host ${change.host_id}`;
    case 'service':
      return `service ${change.service_id}`;
    case 'model':
      return `model ${change.service_id} ${change.model}`;
    case 'alert':
      return `alert ${String(fieldsOf(change)?.['id'])}`;
    default:
      return null;
  }
}

/** What is another than before; without a before, what there is to say of it now. */
export function factsOf(change: Change, earlier: Change | null): Fact[] {
  const now = fieldsOf(change);
  if (!now) return [];
  const was = earlier ? fieldsOf(earlier) : null;
  const facts: Fact[] = [];
  for (const [field, title] of Object.entries(TITLES)) {
    if (!(field in now)) continue;
    const is = said(field, now);
    const before = was && field in was ? said(field, was) : null;
    if (before === is || (before === null && is === DASH)) continue;
    facts.push({ title, before, now: is });
  }
  return facts;
}

const SAID_MOST = 3;

/** In one line, `GPUs 8 → 7`: of what is only said to have changed, and only where it is known how. */
export function differenceOf(change: Change, all: readonly Change[]): string {
  if (change.type !== 'host.changed' && change.type !== 'service.changed') return '';
  const earlier = before(all, change);
  if (!earlier) return '';
  const facts = factsOf(change, earlier).slice(0, SAID_MOST);
  return facts.map(({ title, before, now }) => `${title} ${before ?? DASH} → ${now}`).join(', ');
}

function said(field: string, fields: Fields): string {
  const value = fields[field];
  if (value === null || value === undefined || value === '') return DASH;
  if (field.endsWith('_bytes')) return bytes(value as number);
  if (field === 'finding') return words(String((value as Fields)['code']));
  if (field === 'rule') return words(String(value));
  if (field === 'gpus') return Array.isArray(value) ? count(value.length) : DASH;
  if (field === 'error') return faulted(value as Fields);
  if (Array.isArray(value)) return listed(value.map(String));
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return count(value);
  if (typeof value === 'object') return labelled(value as Fields);
  return String(value);
}

const NAMES_MOST = 8;

function listed(names: readonly string[]): string {
  if (names.length === 0) return DASH;
  const more = names.length - NAMES_MOST;
  return names.slice(0, NAMES_MOST).join(', ') + (more > 0 ? ` and ${count(more)} more` : '');
}

const labelled = (labels: Fields): string =>
  listed(Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`));

function faulted(fault: Fields): string {
  const { file, line, why } = fault;
  const where = typeof line === 'number' ? `${String(file)}:${line}` : String(file);
  return `${where}: ${String(why)}`;
}
