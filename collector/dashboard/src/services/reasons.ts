// Why a service is not well, or gets no requests, in words. Everything that is known of it counts: what
// its checks said, what was found, and what its host does.
import type { HostSummary, ServiceDetail, ServiceSummary } from '../feed/contract.ts';
import { isHeard } from '../feed/live.ts';
import { shown } from '../escape.ts';
import { plural } from '../format.ts';
import type { Step } from '../host/say/advice.ts';
import { adviceForLoopback } from '../host/say/reach.ts';

export interface Reason {
  tone: 'bad' | 'warning' | 'calm';
  text: string;
  /** Since when, or when it was seen last. */
  at: string | null;
  /** What to do about it. */
  remedy?: string;
  steps?: readonly Step[];
}

type Known = ServiceDetail | null;

export function reasons(
  service: ServiceSummary,
  detail: Known,
  host: HostSummary | null,
): Reason[] {
  const found: Reason[] = [
    ...failures(service, detail),
    ...(detail?.findings ?? []).map((finding): Reason => {
      const tone =
        finding.severity === 'critical'
          ? 'bad'
          : finding.severity === 'warning'
            ? 'warning'
            : 'calm';
      return { tone, text: finding.message, at: finding.since };
    }),
    ...ofHost(service, detail, host),
    ...drains(service, detail),
    ...doubts(detail),
  ];
  if (found.length === 0 && !isWell(service)) found.push(unsaid(service, detail));
  return [...found, ...loopback(service, detail, host)];
}

export const isWell = (service: ServiceSummary): boolean => service.status === 'healthy';

function failures(service: ServiceSummary, detail: Known): Reason[] {
  const found: Reason[] = [];
  if (detail?.last_error) {
    const bad = service.status === 'down' || service.status === 'unhealthy';
    const times =
      detail.consecutive_failures > 1 ? ` (${detail.consecutive_failures} times in a row)` : '';
    found.push({
      tone: bad ? 'bad' : 'warning',
      text: `${detail.last_error}${times}`,
      at: detail.last_error_at,
    });
  }
  const hung = (detail?.findings ?? []).some((finding) => finding.code === 'server_hung');
  if (service.state === 'hung' && !hung) {
    found.push({ tone: 'bad', text: 'It lives, but has not answered for 30 s.', at: null });
  }
  return found;
}

/** An agent judges what runs on its host; while it is silent, nobody knows. */
function ofHost(service: ServiceSummary, detail: Known, host: HostSummary | null): Reason[] {
  if (service.host_id === null || service.status !== 'unknown') return [];
  if (detail && detail.check !== 'agent') return [];
  if (host && isHeard(host.status)) return [];
  const text = host
    ? `Its host ${shown(host.name)} is ${host.status}.`
    : 'Its host is not known any more.';
  return [
    { tone: 'warning', text, at: host?.last_seen ?? null, remedy: 'See whether its agent runs.' },
  ];
}

function drains(service: ServiceSummary, detail: Known): Reason[] {
  if (detail?.drain) {
    return [
      {
        tone: 'calm',
        text: 'It drains: it gets nothing new.',
        at: null,
        remedy: 'End its drain to have it picked again.',
      },
    ];
  }
  if (service.status !== 'draining') return [];
  if (detail) {
    return [
      {
        tone: 'calm',
        text: 'It is drained with its host.',
        at: null,
        remedy: 'End the drain of the host.',
      },
    ];
  }
  return [{ tone: 'calm', text: 'It drains: it gets nothing new.', at: null }];
}

function doubts(detail: Known): Reason[] {
  const found: Reason[] = [];
  if (detail?.unconfirmed) {
    found.push({
      tone: 'calm',
      text: 'Unconfirmed since the collector’s start: its status is the last one that was known.',
      at: null,
    });
  }
  if (detail?.flapping)
    found.push({ tone: 'warning', text: 'It keeps changing its mind.', at: null });
  return found;
}

function loopback(service: ServiceSummary, detail: Known, host: HostSummary | null): Reason[] {
  if (service.reachable !== 'loopback') return [];
  const reason: Reason = {
    tone: 'calm',
    text: 'It listens on loopback: only programs on its own host reach it.',
    at: null,
  };
  if (!detail) return [reason];
  const { steps } = adviceForLoopback(detail, host?.name ?? service.host_id ?? 'HOST');
  return [{ ...reason, remedy: 'To use it from elsewhere:', steps }];
}

function unsaid(service: ServiceSummary, detail: Known): Reason {
  const tone = service.status === 'down' || service.status === 'unhealthy' ? 'bad' : 'calm';
  if (!detail) return { tone, text: 'Its reason is being asked…', at: null };
  if (service.status === 'unknown') {
    const asked = detail.last_check === null && detail.last_heartbeat === null;
    return {
      tone,
      text: asked ? 'It was not asked yet.' : 'It cannot be told.',
      at: detail.last_check,
    };
  }
  const failed = detail.consecutive_failures;
  const text = failed > 0 ? `${plural(failed, 'check')} failed in a row.` : 'It gave no reason.';
  return { tone, text, at: detail.last_check };
}

/** What the feed would tell of a service of which only the full view is there. */
export function summaryOf(service: ServiceDetail): ServiceSummary {
  const { id, host_id, name, kind, status, state, version, reachable, models } = service;
  const warm = models.filter((model) => model.warm).map((model) => model.name);
  return {
    id,
    host_id,
    name,
    kind,
    status,
    state,
    version,
    reachable,
    n_models: models.length,
    warm,
  };
}
