// What each rule is called, and what to do when it raises an alert: one entry for each, so that a new rule
// is a type error here. What raises and ends it stands in docs/alerts.md.
import type { AlertRule, Severity } from '../feed/contract.ts';
import { words } from '../format.ts';
import { NEW_IDENTITY } from '../host/say/identity.ts';

interface Rule {
  title: string;
  advice: string;
}

export const RULES: Record<AlertRule, Rule> = {
  host_offline: {
    title: 'Host offline',
    advice:
      'See whether the machine has power and network, then look at its agent: systemctl status herdbook-agent. A host that is meant to be away can be marked so on its page.',
  },
  service_down: {
    title: 'Service down',
    advice:
      'Start the server again on its host, or look at its log for why it ended. A service that is gone for good can be removed on its page.',
  },
  service_unhealthy: {
    title: 'Service unhealthy',
    advice:
      'It lives but does not answer: a model may be loading, or the server may hang. If it stays so, restart it; lead requests elsewhere by draining it.',
  },
  service_deregistered: {
    title: 'Service deregistered',
    advice:
      'Its heartbeats stopped and it was taken off the list. Start it again: it registers itself. Where it was stopped on purpose there is nothing to do.',
  },
  service_recovered: {
    title: 'Service recovered',
    advice: 'It answers again, and there is nothing to do. If it goes often, see why in its log.',
  },
  gpu_lost: {
    title: 'GPU lost',
    advice:
      'The GPU fell off the bus: look for Xid messages with dmesg. Often only a restart of the host brings it back; if it goes again, check power, seating and riser.',
  },
  gpu_hot: {
    title: 'GPU hot',
    advice:
      'Check fans, filters and the air around the host. Until it is cooler, lower the power limit (nvidia-smi -pl) or lead requests elsewhere.',
  },
  disk_nearly_full: {
    title: 'Disk nearly full',
    advice:
      'Models take most of the room: ollama rm removes one that nobody needs, and the Models view says which are on this host. Ollama keeps them in /usr/share/ollama/.ollama/models, or where OLLAMA_MODELS says.',
  },
  vram_nearly_full: {
    title: 'VRAM nearly full',
    advice:
      'The next model may not fit, or run on the CPU in part. Unload one with ollama stop, shorten its context, or keep it in memory for less long.',
  },
  duplicate_identity: {
    title: 'Duplicate identity',
    advice: `Two machines run with one host id, as copied disks do. Give the copy one of its own, there: ${NEW_IDENTITY.join(' && ')}. Leave that folder out of images from now on.`,
  },
  mass_event: {
    title: 'Mass event',
    advice:
      'So many at once have one cause more likely than many: look at the switch, the power, the uplink or a change that was rolled out, before any single host.',
  },
  collector_disk_full: {
    title: 'Collector’s disk full',
    advice:
      'The collector shows what it sees, but keeps nothing and refuses changes. Make room in its data directory’s file system; it goes on by itself.',
  },
};

export const RULE_WORDS = Object.keys(RULES) as AlertRule[];

export const SEVERITIES: readonly Severity[] = ['critical', 'warning', 'info'];

/** An alert's rule is a word, and a newer collector may have more of them. */
const isKnown = (rule: string): rule is AlertRule => Object.hasOwn(RULES, rule);

export const titleOf = (rule: string): string => (isKnown(rule) ? RULES[rule].title : words(rule));

export const adviceOf = (rule: string): string | null =>
  isKnown(rule) ? RULES[rule].advice : null;
