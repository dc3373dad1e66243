// Which changes the reader wants to see: read from the address, asked of the collector as far as it
// can choose, and held against what comes live.
import type { Change } from '../feed/contract.ts';
import type { Query } from '../route.ts';
import { FAMILIES, TROUBLE, causeOf, familyOf, titleOf, toneOf, type Family } from './kinds.ts';
import { subjectsOf, type Names } from './subject.ts';

export interface Wanted {
  family: Family | null;
  trouble: boolean;
  text: string;
  host: string | null;
  service: string | null;
  model: string | null;
}

export function wantedOf(query: Query): Wanted {
  return {
    family: FAMILIES.find((family) => family === query['family']) ?? null,
    trouble: query['trouble'] === 'yes',
    text: (query['q'] ?? '').trim().toLowerCase(),
    host: query['host'] ?? null,
    service: query['service'] ?? null,
    model: query['model'] ?? null,
  };
}

/** What the collector is asked; the text is looked for here. */
export function askedOf(wanted: Wanted): Record<string, string> {
  const { family, trouble, host, service, model } = wanted;
  const asked: Record<string, string> = {};
  if (trouble) {
    const types = TROUBLE.filter((type) => family === null || familyOf(type) === family);
    // A state of hung is trouble as well; other states are left out again here.
    if (family === null || family === 'service') types.push('service.state');
    // Of a family without trouble all is asked, and nothing of it shown.
    asked['types'] = types.length > 0 ? types.join(',') : `${family}.`;
  } else if (family) {
    asked['types'] = `${family}.`;
  }
  if (host) asked['host'] = host;
  if (service) asked['service'] = service;
  if (model) asked['model'] = model;
  return asked;
}

/** Whether a live change is what the collector was asked for. */
export function passes(wanted: Wanted, change: Change): boolean {
  const { family, trouble, host, service, model } = wanted;
  if (family && familyOf(change.type) !== family) return false;
  if (host && change.host_id !== host) return false;
  if (service && change.service_id !== service) return false;
  if (model && change.model !== model) return false;
  return !trouble || ['warn', 'bad'].includes(toneOf(change));
}

/** Whether the text is in what a row says. */
export function saysText(text: string, change: Change, names: Names): boolean {
  if (text === '') return true;
  const subjects = subjectsOf(change, names).map((subject) => subject.name);
  const said = [change.type, titleOf(change), ...subjects, causeOf(change)];
  return said.join('\n').toLowerCase().includes(text);
}
