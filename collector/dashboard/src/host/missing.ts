// Why a value is missing, in words.
import type { MissingReason } from '../feed/contract.ts';

const WORDS: Record<MissingReason, string> = {
  not_supported: 'the hardware, driver or kernel does not have it',
  no_permission: 'the agent may not read it',
  driver_mismatch: 'driver and library versions differ, usually until a reboot',
  lost: 'the device fell off the bus',
  asleep: 'the device sleeps, and asking would wake it',
  timeout: 'it did not answer in time',
  stale: 'the host has not been heard for too long',
  cannot_tell: 'it cannot be told',
};

export const why = (reason: MissingReason | undefined): string =>
  reason === undefined ? '' : (WORDS[reason] ?? WORDS.cannot_tell);
