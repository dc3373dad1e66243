// Whom a change is about, by name and with the page that shows it. What is gone has no page, and keeps
// the name that an earlier change told.
import { isKeyChange } from '../feed/access.ts';
import type { Alert, Change, Model } from '../feed/contract.ts';
import type { Fleet } from '../feed/fold.ts';
import { count, plural } from '../format.ts';
import { href } from '../route.ts';
import { familyOf, fieldsOf } from './kinds.ts';

export interface Subject {
  name: string;
  /** Where it is shown, if it still is. */
  to: string | null;
}

/** Names by id: of what is there, and of what was told of before it went. */
export class Names {
  #gone = new Map<string, string>();

  constructor(
    readonly fleet: Fleet | null,
    changes: readonly Change[],
  ) {
    for (const change of changes) {
      const fields = fieldsOf(change);
      const name = fields?.['name'];
      const family = familyOf(change.type);
      if (typeof name !== 'string') continue;
      if (family === 'service' && change.service_id) this.#gone.set(change.service_id, name);
      if ((family === 'host' || family === 'gpu') && change.host_id) {
        this.#gone.set(change.host_id, name);
      }
    }
  }

  host(id: string): Subject {
    const host = this.fleet?.hosts.get(id);
    return { name: host?.name ?? this.#gone.get(id) ?? id, to: host ? href('hosts', id) : null };
  }

  service(id: string): Subject {
    const service = this.fleet?.services.get(id);
    const name = service?.name ?? this.#gone.get(id) ?? id;
    return { name, to: service ? href('services', id) : null };
  }

  model(name: string): Subject {
    return { name, to: this.fleet?.installed.has(name) ? href('models', name) : null };
  }
}

/** The subject first, then where it is: a model on a service on a host. */
export function subjectsOf(change: Change, names: Names): Subject[] {
  const host = change.host_id ? [names.host(change.host_id)] : [];
  const service = change.service_id ? [names.service(change.service_id)] : [];
  // Whose key it is, only admins read, under Access.
  if (isKeyChange(change)) return [];
  switch (familyOf(change.type)) {
    case 'alert':
      return alertSubject(change.data as Alert | null, names);
    case 'catalog':
      return catalogSubject(fieldsOf(change));
    case 'fleet':
      return massSubject(fieldsOf(change));
    case 'model':
      return [...modelSubject(change, names), ...placed(service, host)];
    default:
      return placed(service, host);
  }
}

/** A service is often called like its host, which need not be said twice. */
function placed(service: Subject[], host: Subject[]): Subject[] {
  return service[0] && service[0].name === host[0]?.name ? service : [...service, ...host];
}

function modelSubject(change: Change, names: Names): Subject[] {
  const name = change.model ?? (change.data as Model | null)?.name;
  return name ? [names.model(name)] : [];
}

function alertSubject(alert: Alert | null, names: Names): Subject[] {
  if (!alert?.subject) return [];
  const { kind, id, name } = alert.subject;
  if (kind === 'host') return [{ name, to: names.host(id).to }];
  if (kind === 'service') return [{ name, to: names.service(id).to }];
  return [{ name, to: kind === 'collector' ? href('collector') : href('hosts') }];
}

function catalogSubject(fields: Record<string, unknown> | null): Subject[] {
  const name = fields?.['name'];
  if (typeof name !== 'string') return [];
  return [{ name, to: href(fields?.['kind'] === 'services' ? 'services' : 'skills') }];
}

function massSubject(fields: Record<string, unknown> | null): Subject[] {
  const { n_hosts, n_services } = fields ?? {};
  // Of none of them the cause says all there is to say.
  if (n_hosts === 0 || n_services === 0) return [];
  if (typeof n_hosts === 'number') return [{ name: plural(n_hosts, 'host'), to: href('hosts') }];
  if (typeof n_services !== 'number') return [];
  return [{ name: plural(n_services, 'service'), to: href('services') }];
}

const NAMED = 3;

/** `gpu-1, gpu-2, gpu-3 and 17 more`, each name once. */
export function namesOfMany(changes: readonly Change[], names: Names): string {
  const all = new Set(changes.flatMap((one) => subjectsOf(one, names).slice(0, 1)).map(nameOf));
  const more = all.size - NAMED;
  return [...all].slice(0, NAMED).join(', ') + (more > 0 ? ` and ${count(more)} more` : '');
}

const nameOf = (subject: Subject): string => subject.name;
