// What happened, in words: one entry for each type of change, so that a new type is a type error here.
import type { KeyChange } from '../feed/access.ts';
import type { Change, ChangeType, Severity } from '../feed/contract.ts';
import { words } from '../format.ts';

export const FAMILIES = [
  'host',
  'session',
  'service',
  'model',
  'gpu',
  'alert',
  'catalog',
  'fleet',
] as const;
export type Family = (typeof FAMILIES)[number];

export const FAMILY_TITLES: Record<Family, string> = {
  host: 'Hosts',
  session: 'Sessions',
  service: 'Services',
  model: 'Models',
  gpu: 'GPUs',
  alert: 'Alerts',
  catalog: 'Catalogs',
  fleet: 'Fleet',
};

/** `bad` and `warn` are trouble; `good` is the end of it. */
export type Tone = 'calm' | 'good' | 'warn' | 'bad';

export interface Kind {
  title: string;
  /** Behind a number: `20 new services`. */
  many: string;
  tone: Tone;
}

const kind = (title: string, many: string, tone: Tone = 'calm'): Kind => ({ title, many, tone });

const KINDS: Record<ChangeType | KeyChange, Kind> = {
  'host.pending': kind('Host at the door', 'hosts at the door', 'warn'),
  'host.approved': kind('Host let in', 'hosts let in', 'good'),
  'host.revoked': kind('Key of a host revoked', 'keys of hosts revoked', 'warn'),
  'host.registered': kind('New host', 'new hosts'),
  'host.changed': kind('Host changed', 'hosts changed'),
  'host.online': kind('Host online', 'hosts online', 'good'),
  'host.degraded': kind('Host degraded', 'hosts degraded', 'warn'),
  'host.stale': kind('Host stale', 'hosts stale', 'warn'),
  'host.offline': kind('Host offline', 'hosts offline', 'bad'),
  'host.recovered': kind('Host recovered', 'hosts recovered', 'good'),
  'host.cloned': kind('Identity used by a second machine', 'identities used twice', 'bad'),
  'host.removed': kind('Host removed', 'hosts removed'),
  'host.finding_raised': kind('Finding on a host', 'findings on hosts', 'warn'),
  'host.finding_cleared': kind('Finding cleared', 'findings cleared', 'good'),
  'session.opened': kind('Agent connected', 'agents connected'),
  'session.closed': kind('Agent disconnected', 'agents disconnected'),
  'service.registered': kind('New service', 'new services'),
  'service.changed': kind('Service changed', 'services changed'),
  'service.healthy': kind('Service healthy', 'services healthy', 'good'),
  'service.degraded': kind('Service degraded', 'services degraded', 'warn'),
  'service.unhealthy': kind('Service unhealthy', 'services unhealthy', 'warn'),
  'service.down': kind('Service down', 'services down', 'bad'),
  'service.flapping': kind('Service flapping', 'services flapping', 'warn'),
  'service.draining': kind('Draining of a service', 'services draining or no longer'),
  'service.promoted': kind('Role of a service changed', 'roles of services changed'),
  'service.deregistered': kind('Service deregistered', 'services deregistered', 'warn'),
  'service.state': kind('Service state', 'changes of state'),
  'service.removed': kind('Service removed', 'services removed'),
  'model.installed': kind('Model installed', 'models installed'),
  'model.removed': kind('Model removed', 'models removed'),
  'model.loaded': kind('Model loaded', 'models loaded'),
  'model.unloaded': kind('Model unloaded', 'models unloaded'),
  'gpu.lost': kind('GPU lost', 'GPUs lost', 'bad'),
  'gpu.recovered': kind('GPU recovered', 'GPUs recovered', 'good'),
  'fleet.mass_offline': kind('Many went at once', 'mass events', 'bad'),
  'fleet.mass_recovered': kind('Mass event over', 'mass events over', 'good'),
  'alert.raised': kind('Alert raised', 'alerts raised', 'warn'),
  'alert.resolved': kind('Alert resolved', 'alerts resolved', 'good'),
  'catalog.reloaded': kind('Catalog reloaded', 'catalogs reloaded'),
  'catalog.rejected': kind('Catalog rejected', 'catalogs rejected', 'warn'),
};

/** A newer collector may tell of types that this page does not know. */
const isKnown = (type: string): type is ChangeType | KeyChange => Object.hasOwn(KINDS, type);

export function kindOf(type: string): Kind {
  if (isKnown(type)) return KINDS[type];
  const title = type.replaceAll('.', ' ').replaceAll('_', ' ');
  return kind(title, `× ${title}`);
}

export function familyOf(type: string): Family | null {
  return FAMILIES.find((family) => type.startsWith(`${family}.`)) ?? null;
}

const isTrouble = (one: Kind): boolean => one.tone === 'warn' || one.tone === 'bad';

/** The types that are trouble, as the collector may be asked for them. */
export const TROUBLE: readonly string[] = Object.entries(KINDS)
  .filter(([, one]) => isTrouble(one))
  .map(([type]) => type);

/** Fields of whatever a change carries; every shape of it is an object or nothing. */
export function fieldsOf(change: Change): Record<string, unknown> | null {
  const { data } = change;
  return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : null;
}

const BY_STATE: Record<string, string> = {
  idle: 'Service idle',
  resident: 'Models resident',
  loading: 'Service loads a model',
  busy: 'Service busy',
  hung: 'Service hung',
  down: 'Service down',
};

/** The words of one change, which may say more than its type does. */
export function titleOf(change: Change): string {
  const fields = fieldsOf(change);
  switch (change.type) {
    case 'service.state':
      return BY_STATE[String(fields?.['state'])] ?? KINDS['service.state'].title;
    case 'service.changed':
      return fields?.['status'] === 'unknown' ? 'Service not known' : KINDS[change.type].title;
    case 'service.draining':
      return fields?.['status'] === 'draining' ? 'Service drains' : 'Service no longer drains';
    case 'alert.raised':
      return fields ? `Alert: ${words(String(fields['rule']))}` : KINDS[change.type].title;
    case 'alert.resolved':
      return fields ? `Alert over: ${words(String(fields['rule']))}` : KINDS[change.type].title;
    default:
      return kindOf(change.type).title;
  }
}

/** Behind the number of a group: what all of them became, where their type says less. */
export function manyOf(changes: readonly Change[]): string {
  const { type } = changes[0]!;
  const isUnknown = (one: Change) => fieldsOf(one)?.['status'] === 'unknown';
  if (type === 'service.changed' && changes.every(isUnknown)) return 'services not known';
  return kindOf(type).many;
}

/** Causes that the collector gives as a word. */
const CAUSES: Record<string, string> = {
  mass: 'together with many others',
  shutdown: 'the agent or its host stopped',
  suspend: 'the host went to sleep',
  upgrade: 'a new version of the agent takes over',
  lost: 'the connection broke',
  silent: 'nothing was heard for too long',
  superseded: 'a newer connection took over',
  refused: 'the agent said what the collector refuses',
  collector_shutdown: 'the collector stopped',
};

/** Why it happened, in words: an alert says it in its message. */
export function causeOf(change: Change): string {
  const cause = change.cause ?? '';
  const message = familyOf(change.type) === 'alert' ? fieldsOf(change)?.['message'] : null;
  if (typeof message === 'string') return cause ? `${message}: ${cause}` : message;
  return Object.hasOwn(CAUSES, cause) ? CAUSES[cause]! : cause;
}

const BY_SEVERITY: Record<Severity, Tone> = { info: 'calm', warning: 'warn', critical: 'bad' };

export function toneOf(change: Change): Tone {
  const fields = fieldsOf(change);
  if (change.type === 'alert.raised') {
    return BY_SEVERITY[fields?.['severity'] as Severity] ?? 'warn';
  }
  if (change.type === 'service.state') return fields?.['state'] === 'hung' ? 'warn' : 'calm';
  return kindOf(change.type).tone;
}

const WORST: readonly Tone[] = ['bad', 'warn', 'good', 'calm'];

export function worstOf(changes: readonly Change[]): Tone {
  const tones = new Set(changes.map(toneOf));
  return WORST.find((tone) => tones.has(tone)) ?? 'calm';
}
