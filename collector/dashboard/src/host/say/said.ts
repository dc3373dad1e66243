// All that is to be said of a host: its status, its findings, those of its services, and what of them
// cannot be reached, the worst first, each once.
import type { HostDetail, HostStatus, ServiceDetail, Severity } from '../../feed/contract.ts';
import { words } from '../../format.ts';
import { adviceFor, adviceForStatus, type Advice } from './advice.ts';
import { adviceForLoopback, portOf } from './reach.ts';

export interface Said {
  key: string;
  title: string;
  severity: Severity;
  /** What the collector saw, in its own words. */
  message: string;
  /** Which service it is about. */
  service: string | null;
  since: string | null;
  advice: Advice | null;
}

const ORDER: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };

export function saidOf(
  name: string,
  status: HostStatus,
  host: Pick<HostDetail, 'findings' | 'status_since' | 'expected_absent'> | null,
  services: readonly ServiceDetail[],
): Said[] {
  const all = [
    ...ofStatus(status, host),
    ...(host?.findings ?? [])
      // That a server hangs is told by the server itself, with its unit.
      .filter(({ code }) => code !== 'server_hung' || !services.some(hangs))
      .map((finding) => ofFinding(finding, null)),
    ...services.flatMap((service) => ofService(service, name)),
  ];
  return all.sort((a, b) => ORDER[a.severity] - ORDER[b.severity]);
}

const hangs = (service: ServiceDetail): boolean =>
  service.findings.some(({ code }) => code === 'server_hung');

function ofStatus(
  status: HostStatus,
  host: Pick<HostDetail, 'status_since' | 'expected_absent'> | null,
): Said[] {
  const advice = adviceForStatus(status);
  if (advice === null) return [];
  const isExpected = host?.expected_absent === true;
  return [
    {
      key: 'status',
      title: isExpected ? 'This host is away, as expected' : advice.title,
      severity:
        isExpected || status === 'unknown' ? 'info' : status === 'offline' ? 'critical' : 'warning',
      message: '',
      service: null,
      since: host?.status_since ?? null,
      advice,
    },
  ];
}

function ofFinding(finding: HostDetail['findings'][number], service: ServiceDetail | null): Said {
  const advice = adviceFor(finding.code);
  return {
    key: `${service?.id ?? ''} ${finding.code}`,
    title: advice?.title ?? words(finding.code),
    severity: finding.severity,
    message: finding.message,
    service: service?.id ?? null,
    since: finding.since,
    advice: advice && service ? about(advice, service) : advice,
  };
}

function ofService(service: ServiceDetail, hostName: string): Said[] {
  const said = service.findings.map((finding) => ofFinding(finding, service));
  if (service.reachable !== 'loopback' || service.status === 'down') return said;
  const advice = adviceForLoopback(service, hostName);
  return [
    ...said,
    {
      key: `${service.id} loopback`,
      title: advice.title,
      severity: 'info',
      message: '',
      service: service.id,
      since: null,
      advice,
    },
  ];
}

const UNIT = /^[A-Za-z0-9@._:-]+$/;

/** The advice with the unit and port of this service in its lines, where they are known. */
function about(advice: Advice, service: ServiceDetail): Advice {
  const unit = service.unit !== null && UNIT.test(service.unit) ? service.unit : null;
  const port = portOf(service.url);
  return {
    ...advice,
    steps: advice.steps.map((step) => {
      if (step.lines === undefined) return step;
      const lines = step.lines.replaceAll('PORT', port);
      return { ...step, lines: unit === null ? lines : lines.replaceAll('UNIT', unit) };
    }),
  };
}
