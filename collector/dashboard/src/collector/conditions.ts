// What is wrong with the collector, in words, and what to do about it.
import type { ReadinessReport, Stats } from '../feed/contract.ts';
import { bytes, count, percent, plural, span } from '../format.ts';
import { sum, type Readings } from './readings.ts';

export interface Condition {
  tone: 'warn' | 'bad';
  title: string;
  todo: string;
}

const GIB = 1024 ** 3;
/** Less room than this, of all and in all, is worth a word. */
const ROOM_SHARE = 0.05;
const ROOM_BYTES = GIB;
/** The sweep comes each second; two late and all deadlines start anew. */
const LATE_MS = 500;
const QUEUE_LONG = 5000;
/** Of the time that is looked at, and that shall be long enough to say so. */
const STALLED_SHARE = 0.05;
const LOOKED_AT_MS = 60_000;
const DESCRIPTORS_SHARE = 0.8;
/** So long after a start the disk has long been measured. */
const MEASURED_S = 60;

export function conditionsOf(
  stats: Stats,
  ready: ReadinessReport | null,
  readings: Readings,
): Condition[] {
  return [
    ...ofStart(ready),
    ...ofStore(stats),
    ...ofHistory(stats, ready),
    ...ofDisk(stats),
    ...ofTime(stats, readings),
    ...ofAgents(readings),
    ...ofProcess(stats),
    ...ofNotifications(stats),
  ];
}

function ofStart(ready: ReadinessReport | null): Condition[] {
  if (ready?.status !== 'starting') return [];
  const todo = 'It restores what it knew. This takes seconds; nothing needs to be done.';
  return [{ tone: 'warn', title: 'The collector starts', todo }];
}

function ofStore({ store_state, store_queue, disk }: Stats): Condition[] {
  const where = disk?.data_dir ?? 'the data directory';
  if (store_state === 'disk_full') {
    const todo =
      'What changes by hand is refused, and what agents tell is kept in memory only. Free some ' +
      `space on the disk of ${where}: the collector goes on by itself within seconds.`;
    return [{ tone: 'bad', title: 'The disk is full', todo }];
  }
  if (store_state === 'failing') {
    const todo = `Nothing is kept for now. The log says why: journalctl -u herdbook-collector. Look at ${where}.`;
    return [{ tone: 'bad', title: 'The database cannot be written', todo }];
  }
  if (store_queue < QUEUE_LONG) return [];
  const title = `${count(store_queue)} entries wait for the disk`;
  const todo = `The disk of ${where} is slower than what changes. If the queue does not shrink, look at the disk.`;
  return [{ tone: 'warn', title, todo }];
}

function ofHistory(stats: Stats, ready: ReadinessReport | null): Condition[] {
  const found: Condition[] = [];
  if (ready?.history === 'disk_full') {
    const todo = 'The last minutes of what hosts measured wait in memory. Free some space.';
    found.push({ tone: 'bad', title: 'The history has no room on the disk', todo });
  } else if (ready?.history === 'failing') {
    const todo = 'What hosts measured is kept for ten minutes only. The log says why.';
    found.push({ tone: 'bad', title: 'The history cannot be written', todo });
  }
  const lost = stats.history_dropped_total;
  if (lost > 0) {
    const title = `${plural(lost, 'row', 'rows')} of history ${lost === 1 ? 'was' : 'were'} lost`;
    const todo = 'The disk took none for too long. What is shown of the past has a gap.';
    found.push({ tone: 'warn', title, todo });
  }
  return found;
}

function ofDisk({ disk, uptime_s, store_state }: Stats): Condition[] {
  if (!disk) {
    const todo = 'It could not be measured for a minute. A disk that hangs does that: look at it.';
    return uptime_s < MEASURED_S ? [] : [{ tone: 'bad', title: 'The disk does not answer', todo }];
  }
  const { free_bytes: free, total_bytes: total } = disk;
  if (typeof free !== 'number' || typeof total !== 'number' || store_state === 'disk_full')
    return [];
  if (free > ROOM_BYTES && free > ROOM_SHARE * total) return [];
  const title = `Little room on the disk: ${bytes(free)} of ${bytes(total)}`;
  const todo = `Free some space on the disk of ${disk.data_dir} before it is full.`;
  return [{ tone: 'warn', title, todo }];
}

function ofTime({ sweep_lateness_ms: late }: Stats, readings: Readings): Condition[] {
  const found: Condition[] = [];
  if (late > LATE_MS) {
    const title = `The look for silent hosts came ${count(late)} ms late`;
    const todo = 'The machine is busy or was suspended. Beyond 2 s all deadlines start anew.';
    found.push({ tone: 'warn', title, todo });
  }
  const looked_ms = (readings.all.at(-1)?.at_ms ?? 0) - (readings.all[0]?.at_ms ?? 0);
  const stalled = readings.grown('stalled_ms') / Math.max(looked_ms, LOOKED_AT_MS);
  if (stalled > STALLED_SHARE) {
    const title = `The collector waited ${percent(100 * stalled)} of the last ${span(looked_ms)}`;
    const todo =
      'The thread of all sockets gets too little of a processor: see what else runs there.';
    found.push({ tone: 'warn', title, todo });
  }
  return found;
}

function ofAgents(readings: Readings): Condition[] {
  const n = readings.grown('dropped');
  if (n === 0) return [];
  const title = `${plural(n, 'message')} of agents could not be used in the last minutes`;
  return [{ tone: 'warn', title, todo: 'The table of what was dropped says why.' }];
}

function ofProcess({ process: { open_fds: open, max_fds: most } }: Stats): Condition[] {
  if (typeof open !== 'number' || typeof most !== 'number') return [];
  if (open < DESCRIPTORS_SHARE * most) return [];
  const title = `${percent((100 * open) / most)} of the descriptors are in use`;
  const todo = `${count(open)} of ${count(most)}. Without any, no agent can connect: raise LimitNOFILE.`;
  return [{ tone: 'warn', title, todo }];
}

function ofNotifications({ notifications, uptime_s }: Stats): Condition[] {
  const lost = sum({
    failed: notifications['failed'] ?? 0,
    dropped: notifications['dropped'] ?? 0,
  });
  if (lost === 0) return [];
  const since = span(uptime_s * 1000);
  const title = `${plural(lost, 'message')} on alerts did not arrive in ${since}`;
  const todo = 'Try the targets: herdbook-collector notify-test. The log says what they answered.';
  return [{ tone: 'warn', title, todo }];
}
