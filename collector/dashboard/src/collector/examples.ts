// Figures of a collector that is well, for tests.
import type { Stats } from '../feed/contract.ts';
import { NO_COUNTS } from '../feed/examples.ts';

const GIB = 1024 ** 3;

export function someStats(over: Partial<Stats> = {}): Stats {
  return {
    ...NO_COUNTS,
    counts: NO_COUNTS,
    epoch: 'e',
    seq: 10,
    at: '2026-11-21T10:00:00.000Z',
    uptime_s: 3600,
    started_at: '2026-11-21T09:00:00.000Z',
    version: '0.1.0',
    agents: 3,
    sessions_opened_total: 3,
    sessions_closed: {},
    samples_per_second: 3,
    samples_total: 1000,
    changes_total: 10,
    dropped: { bad_field: 0, too_large: 0 },
    services_unlisted_total: 0,
    services_let_go_total: 0,
    host_sleeps_total: 0,
    sweep_lateness_ms: 1,
    sweep_pauses_total: 0,
    stalls_total: 0,
    stalled_ms_total: 0,
    store_state: 'ok',
    store_queue: 0,
    history_waiting: 0,
    history_dropped_total: 0,
    ring_changes: 10,
    ring_bytes: 1000,
    viewers: 1,
    leases: 0,
    alerts_open: { critical: 0, warning: 0, info: 0 },
    notifications: { sent: 0, failed: 0, dropped: 0 },
    process: {
      cpu_seconds: 4,
      resident_memory_bytes: 30_000_000,
      virtual_memory_bytes: 300_000_000,
      threads: 5,
      open_fds: 30,
      max_fds: 20_000,
    },
    disk: {
      data_dir: '/var/lib/herdbook/collector',
      at: '2026-11-21T09:59:55.000Z',
      free_bytes: 40 * GIB,
      total_bytes: 100 * GIB,
      state_db_bytes: 4_000_000,
      history_db_bytes: 2_000_000,
    },
    ...over,
  };
}
