// What a person can do to services from this view, each in a dialog of its own.
import type { ServiceDetail } from '../feed/contract.ts';

export type Act =
  | { kind: 'add' }
  | { kind: 'edit' | 'promote' | 'remove'; service: ServiceDetail }
  | { kind: 'pick'; model: string; service: string | null };

export type Choice = 'pick' | 'edit' | 'promote' | 'drain' | 'remove';
