// Silences as people say them: which alerts in words, until when, and the form in which one is made.
import type { ApiError } from '../feed/api.ts';
import type {
  Alert,
  AlertRule,
  AlertSubjectKind,
  Severity,
  SilenceForm,
  SilenceMatcher,
} from '../feed/contract.ts';
import { span } from '../format.ts';
import { titleOf } from './rules.ts';

/** Of which alerts, as the form has it: what is empty is not said. */
export interface Fields {
  rule: AlertRule | '';
  severity: Severity | '';
  kind: AlertSubjectKind | '';
  id: string;
  name: string;
  label: string;
}

export const EMPTY: Fields = { rule: '', severity: '', kind: '', id: '', name: '', label: '' };

export const DURATIONS = [
  { word: '1 h', seconds: 3600 },
  { word: '4 h', seconds: 4 * 3600 },
  { word: '1 day', seconds: 86_400 },
  { word: '1 week', seconds: 7 * 86_400 },
] as const;

export type Scope = 'both' | 'subject' | 'rule' | 'custom';

/** How the choices are called. */
export const scopesOf = (rule: string, subject: string): { value: Scope; text: string }[] => [
  { value: 'both', text: `${rule} on ${subject}` },
  { value: 'subject', text: `Everything on ${subject}` },
  { value: 'rule', text: `${rule} anywhere` },
  { value: 'custom', text: 'Something else' },
];

/** What an alert suggests: this rule on this subject, this subject, this rule. */
export function fieldsOf(alert: Alert, scope: Scope): Fields {
  const { kind, id } = alert.subject;
  const rule = alert.rule as AlertRule;
  if (scope === 'rule') return { ...EMPTY, rule };
  if (scope === 'subject') return { ...EMPTY, kind, id };
  return { ...EMPTY, rule, kind, id };
}

export function matcherOf(fields: Fields): SilenceMatcher {
  const matcher: SilenceMatcher = {};
  if (fields.rule) matcher.rule = fields.rule;
  if (fields.severity) matcher.severity = fields.severity;
  if (fields.label.trim()) matcher.label = fields.label.trim();
  const subject: NonNullable<SilenceMatcher['subject']> = {};
  if (fields.kind) subject.kind = fields.kind;
  if (fields.id) subject.id = fields.id;
  if (fields.name.trim()) subject.name = fields.name.trim();
  if (Object.keys(subject).length > 0) matcher.subject = subject;
  return matcher;
}

export interface Until {
  /** A length of time from now on, or null for a moment. */
  seconds: number | null;
  /** As `datetime-local` has it, in the reader's zone. */
  moment: string;
}

/** As the collector wants it; null where the moment is none, which is said at its field. */
export function momentOf(until: Until, now_ms: number): string | null {
  if (until.seconds !== null) return rounded(now_ms + until.seconds * 1000);
  const at_ms = until.moment === '' ? NaN : new Date(until.moment).getTime();
  return Number.isNaN(at_ms) ? null : rounded(at_ms);
}

const rounded = (at_ms: number): string =>
  new Date(Math.round(at_ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');

const UNITS_MS = [86_400_000, 3_600_000, 60_000];

/** How long it still holds, to the nearest unit: four hours are not `3 h` a second later. */
export function leftOf(until: string, now_ms: number): string {
  const left_ms = Date.parse(until) - now_ms;
  const unit_ms = UNITS_MS.find((unit_ms) => left_ms >= unit_ms) ?? 0;
  return span(left_ms + unit_ms / 2);
}

export function formOf(fields: Fields, until: string, comment: string): SilenceForm {
  return { matcher: matcherOf(fields), until, comment: comment.trim() };
}

/** `GPU hot, critical, of host gpu-1, labelled rack=7`. */
export function inWords(matcher: SilenceMatcher, nameOf: (id: string) => string | null): string {
  const { rule, severity, subject, label } = matcher;
  const of = subject?.name ?? (subject?.id ? (nameOf(subject.id) ?? subject.id) : null);
  const parts = [
    rule ? titleOf(rule) : 'All alerts',
    severity ? `of severity ${severity}` : null,
    of
      ? `of ${subject?.kind ?? 'whatever is called'} ${of}`
      : subject?.kind && ofKind(subject.kind),
    label ? `labelled ${label}` : null,
  ];
  return parts.filter((part) => part).join(', ');
}

const OF_KIND: Record<AlertSubjectKind, string> = {
  host: 'of any host',
  service: 'of any service',
  fleet: 'of the fleet as a whole',
  collector: 'of the collector',
};
const ofKind = (kind: AlertSubjectKind): string => OF_KIND[kind];

/** Whether it would match, as far as can be told here: null where a label decides. */
export function matches(matcher: SilenceMatcher, alert: Alert): boolean | null {
  const { rule, severity, subject, label } = matcher;
  const is = (wanted: string | null | undefined, is: string) => !wanted || wanted === is;
  const rest =
    is(rule, alert.rule) &&
    is(severity, alert.severity) &&
    is(subject?.kind, alert.subject.kind) &&
    is(subject?.id, alert.subject.id) &&
    is(subject?.name, alert.subject.name);
  return label && rest ? null : rest;
}

const FIELDS = ['rule', 'severity', 'kind', 'id', 'name', 'label', 'until', 'comment'] as const;
export type Place = (typeof FIELDS)[number] | 'matcher' | 'form';

export const SAY_WHICH = 'Say at least one of rule, severity, subject and label.';

/** What the collector would refuse, said before it is asked, in the order of the form. */
export function faultOf(
  fields: Fields,
  until: string | null,
  now_ms: number,
): { at: Place; text: string } | null {
  if (Object.keys(matcherOf(fields)).length === 0) return { at: 'matcher', text: SAY_WHICH };
  if (until === null) return { at: 'until', text: 'Say until when.' };
  if (Date.parse(until) > now_ms) return null;
  return { at: 'until', text: 'This is over already: say a time to come.' };
}

/** At which field of the form a refusal is said. */
export function placeOf(error: ApiError): Place {
  const field = error.field ?? '';
  const last = field.slice(field.lastIndexOf('.') + 1);
  if (field === 'matcher') return 'matcher';
  return FIELDS.find((one) => one === last) ?? 'form';
}
