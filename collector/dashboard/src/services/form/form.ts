// What the form of a service holds, as its fields have it (text), and what is sent of it.
import { ApiError } from '../../feed/api.ts';
import type {
  Role,
  ServiceDetail,
  ServiceForm,
  ServicePatch,
  ServiceType,
} from '../../feed/contract.ts';

export interface Fields {
  name: string;
  type: ServiceType;
  url: string;
  kind: string;
  check: 'probe' | 'heartbeat';
  role: Role;
  caps: string;
  labels: string;
  priority: string;
  ctx_limit: string;
  cost_hint_usd_per_1k: string;
  heartbeat_interval_s: string;
  ttl_s: string;
  credential_header: string;
  credential_value: string;
}
export type FieldName = keyof Fields;
export type Wrong = Partial<Record<FieldName | 'form', string>>;

export const EMPTY: Fields = {
  name: '',
  type: 'model',
  url: '',
  kind: '',
  check: 'probe',
  role: 'experimental',
  caps: '',
  labels: '',
  priority: '',
  ctx_limit: '',
  cost_hint_usd_per_1k: '',
  heartbeat_interval_s: '',
  ttl_s: '',
  credential_header: '',
  credential_value: '',
};

export function fieldsOf(service: ServiceDetail): Fields {
  const number = (value: number | null) => (value === null ? '' : String(value));
  return {
    ...EMPTY,
    name: service.name,
    type: service.type,
    url: service.url,
    kind: service.kind,
    check: service.check === 'heartbeat' ? 'heartbeat' : 'probe',
    role: service.role,
    caps: service.caps.join(', '),
    labels: Object.entries(service.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join('\n'),
    priority: String(service.priority),
    ctx_limit: number(service.ctx_limit),
    cost_hint_usd_per_1k: number(service.cost_hint_usd_per_1k),
    heartbeat_interval_s: number(service.heartbeat_interval_s),
    ttl_s: number(service.ttl_s),
  };
}

const NUMBERS = [
  'priority',
  'ctx_limit',
  'cost_hint_usd_per_1k',
  'heartbeat_interval_s',
  'ttl_s',
] as const;

/** What no collector need be asked. Everything else is its to judge. */
export function wrongIn(fields: Fields, isNew: boolean): Wrong {
  const wrong: Wrong = {};
  if (isNew && fields.name.trim() === '') wrong.name = 'A name is needed.';
  if (isNew && fields.url.trim() === '')
    wrong.url = 'A URL is needed, such as http://10.0.0.8:11434.';
  for (const name of NUMBERS) {
    if (fields[name].trim() !== '' && !Number.isFinite(Number(fields[name])))
      wrong[name] = 'This is no number.';
  }
  const labels = wrongLabels(fields.labels);
  if (labels !== null) wrong.labels = labels;
  const { credential_header, credential_value } = fields;
  if (credential_value !== '' && credential_header.trim() === '') {
    wrong.credential_header = 'Which header shall carry it? Often it is Authorization.';
  }
  if (credential_header.trim() !== '' && credential_value === '') {
    wrong.credential_value = 'What shall the header say?';
  }
  return wrong;
}

/** The first line that would not become the label it looks like. */
function wrongLabels(text: string): string | null {
  const keys = new Set<string>();
  for (const line of linesOf(text)) {
    if (!line.includes('=')) return `“${line}” has no “=”: write one label a line, as key=value.`;
    const [key] = labelIn(line);
    if (key === '') return `“${line}” has no key before its “=”.`;
    if (keys.has(key)) return `The key “${key}” is there more than once.`;
    keys.add(key);
  }
  return null;
}

export function bodyOf(fields: Fields): ServiceForm {
  const body: ServiceForm = { name: fields.name.trim(), type: fields.type, url: fields.url.trim() };
  body.check = fields.check;
  body.role = fields.role;
  if (fields.kind.trim() !== '') body.kind = fields.kind.trim();
  if (fields.caps.trim() !== '') body.caps = wordsOf(fields.caps);
  if (fields.labels.trim() !== '') body.labels = labelsOf(fields.labels);
  for (const name of NUMBERS) {
    const beats = name === 'heartbeat_interval_s' || name === 'ttl_s';
    if (fields[name].trim() === '' || (beats && fields.check === 'probe')) continue;
    body[name] = Number(fields[name]);
  }
  if (fields.credential_value !== '') {
    body.credential = { header: fields.credential_header.trim(), value: fields.credential_value };
  }
  return body;
}

/** What tells one service from another before it has an id. */
export const identityOf = ({ name, type, url }: Fields): string =>
  JSON.stringify([name.trim(), type, url.trim()]);

/** Only what was changed, so that what somebody else changed meanwhile stays. Emptied is taken back. */
export function patchOf(before: Fields, after: Fields): ServicePatch {
  const patch: ServicePatch = {};
  const changed = (name: FieldName) => before[name].trim() !== after[name].trim();
  for (const name of ['name', 'kind'] as const) {
    if (changed(name)) patch[name] = after[name].trim() || null;
  }
  if (changed('role')) patch.role = after.role;
  if (changed('caps')) patch.caps = after.caps.trim() === '' ? null : wordsOf(after.caps);
  for (const name of NUMBERS) {
    if (changed(name)) patch[name] = after[name].trim() === '' ? null : Number(after[name]);
  }
  const labels = labelPatch(labelsOf(before.labels), labelsOf(after.labels));
  if (Object.keys(labels).length > 0) patch.labels = labels;
  return patch;
}

function labelPatch(
  before: Record<string, string>,
  after: Record<string, string>,
): Record<string, string | null> {
  const patch: Record<string, string | null> = {};
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) patch[key] = null;
  for (const [key, value] of Object.entries(after)) {
    if (!Object.hasOwn(before, key) || before[key] !== value) patch[key] = value;
  }
  return patch;
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

export const wordsOf = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

export const labelsOf = (text: string): Record<string, string> =>
  Object.fromEntries(linesOf(text).map(labelIn));

/** The first equals sign ends the key; a value may have more of them. */
function labelIn(line: string): [key: string, value: string] {
  const [key = '', ...value] = line.split('=');
  return [key.trim(), value.join('=').trim()];
}

/** Which field the collector's refusal is of; `form` where it is of none that is shown. */
export function wrongOf(error: unknown, shownFields: readonly FieldName[]): Wrong {
  if (!(error instanceof ApiError)) {
    return { form: error instanceof Error ? error.message : String(error) };
  }
  const expected = error.expected && error.status === 422 ? ` Expected: ${error.expected}.` : '';
  const words = `${sentence(error.message)}${expected}`;
  const path = (error.field ?? '').replace('credential.', 'credential_');
  const name = shownFields.find((field) => field === path || path.split(/[.[]/)[0] === field);
  return name ? { [name]: words } : { form: words };
}

function sentence(text: string): string {
  const upper = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}

/** What somebody else changed since the form was opened, in words. */
export function differences(before: ServiceDetail, now: ServiceDetail): string[] {
  const [old, current] = [fieldsOf(before), fieldsOf(now)];
  const names = (Object.keys(old) as FieldName[]).filter((name) => old[name] !== current[name]);
  const said = names.map((name) => `${name}: ${word(old[name])} → ${word(current[name])}`);
  if (before.drain !== now.drain) said.push(now.drain ? 'it drains now' : 'it no longer drains');
  return said;
}

const word = (text: string): string => (text === '' ? 'nothing' : text.replaceAll('\n', ', '));
