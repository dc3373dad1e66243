// The alerts that are open, chosen and put together: by rule or by whom they are about, the worst first.
import type { Alert, Severity } from '../feed/contract.ts';
import type { Fleet } from '../feed/fold.ts';
import { count, plural } from '../format.ts';
import { href, type Query } from '../route.ts';
import { RULE_WORDS, SEVERITIES, titleOf } from './rules.ts';

export interface OpenAlert {
  alert: Alert;
  /** The silence that keeps it quiet. */
  silenced_by: string | null;
}

export interface AlertGroup {
  key: string;
  /** The rule that all are of, or null where they are put together by subject. */
  rule: string | null;
  alerts: OpenAlert[];
}

export interface Choice {
  rule: string | null;
  severity: Severity | null;
  /** An id or a name, in part; of the past the collector wants it whole. */
  subject: string;
}

export function choiceOf(query: Query): Choice {
  return {
    rule: RULE_WORDS.find((rule) => rule === query['rule']) ?? null,
    severity: SEVERITIES.find((severity) => severity === query['severity']) ?? null,
    subject: (query['subject'] ?? '').trim(),
  };
}

export function isChosen({ rule, severity, subject }: Choice, alert: Alert): boolean {
  if (rule && alert.rule !== rule) return false;
  if (severity && alert.severity !== severity) return false;
  const { id, name } = alert.subject;
  return id === subject || name.toLowerCase().includes(subject.toLowerCase());
}

/** Bad ones first, quiet ones last, new ones before old ones. */
function byWeight(a: OpenAlert, b: OpenAlert): number {
  const quiet = Number(a.silenced_by !== null) - Number(b.silenced_by !== null);
  const weight = SEVERITIES.indexOf(a.alert.severity) - SEVERITIES.indexOf(b.alert.severity);
  return quiet || weight || b.alert.raised_at.localeCompare(a.alert.raised_at);
}

export function grouped(alerts: readonly OpenAlert[], by: 'rule' | 'subject'): AlertGroup[] {
  const groups = new Map<string, AlertGroup>();
  for (const one of alerts.toSorted(byWeight)) {
    const { rule, subject } = one.alert;
    const key = by === 'rule' ? rule : `${subject.kind} ${subject.id}`;
    const group = groups.get(key);
    if (group) group.alerts.push(one);
    else groups.set(key, { key, rule: by === 'rule' ? rule : null, alerts: [one] });
  }
  // In the order of their first, so of their worst.
  return [...groups.values()];
}

/** How many of what, the worst first: `2 critical, 1 warning`. */
export function tally(alerts: readonly Alert[]): string {
  const parts = SEVERITIES.map((severity) => {
    const n = alerts.filter((alert) => alert.severity === severity).length;
    return n === 0 ? '' : severity === 'warning' ? plural(n, severity) : `${count(n)} ${severity}`;
  });
  return parts.filter((part) => part !== '').join(', ');
}

/** What the part of a subject is called: a GPU by its number where the message says it. */
export function partOf(alert: Alert): string | null {
  if (alert.part === null || alert.subject.kind === 'fleet') return null;
  if (!alert.rule.startsWith('gpu') && !alert.rule.startsWith('vram')) return alert.part;
  return /\bGPU \d+\b/.exec(alert.message)?.[0] ?? alert.part;
}

export const headOf = (group: AlertGroup): string =>
  group.rule === null ? group.alerts[0]!.alert.subject.name : titleOf(group.rule);

/** Where whom it is about is shown, while it is there. */
export function pageOf({ kind, id }: Alert['subject'], fleet: Fleet | null): string | null {
  switch (kind) {
    case 'host':
      return fleet?.hosts.has(id) ? href('hosts', id) : null;
    case 'service':
      return fleet?.services.has(id) ? href('services', id) : null;
    case 'fleet':
      return href('hosts');
    case 'collector':
      return href('collector');
  }
}

/** The one that ended last, which is not the one that was raised last. */
export function lastEnded<T extends Pick<Alert, 'resolved_at'>>(alerts: readonly T[]): T | null {
  const ended = (alert: T): string => alert.resolved_at ?? '';
  return alerts.reduce<T | null>(
    (last, alert) => (ended(alert) > (last ? ended(last) : '') ? alert : last),
    null,
  );
}

const SUGGESTED = 20;

/** Some names of hosts and services that have the text in them. */
export function namesLike(text: string, fleet: Fleet): string[] {
  const wanted = text.toLowerCase();
  const found = new Set<string>();
  if (wanted === '') return [];
  for (const entities of [fleet.hosts, fleet.services]) {
    for (const { name } of entities.values()) {
      if (name.toLowerCase().includes(wanted)) found.add(name);
      if (found.size >= SUGGESTED) return [...found];
    }
  }
  return [...found];
}
