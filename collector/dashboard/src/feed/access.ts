// Who may come in: people, tokens, agents' keys and the audit, in the collector's words and shapes, as
// contract.ts has those of the fleet.
import type { AccessRole } from '../generated/openapi.d.ts';

export type {
  AccessRole,
  Agent,
  ApiToken,
  AuditEntry,
  AuditList,
  AuditVerdict,
  JoinToken,
  JoinTokenMade,
  MadeApiToken,
  Person,
  SignInState,
} from '../generated/openapi.d.ts';

/** The least first. */
export const ROLES: readonly AccessRole[] = ['viewer', 'client', 'admin'];

/** Changes of the feed that tell of an agent's key, without it, and of no host. */
export type KeyChange = 'host.pending' | 'host.approved' | 'host.revoked';
const KEY_CHANGES: ReadonlySet<string> = new Set<KeyChange>([
  'host.pending',
  'host.approved',
  'host.revoked',
]);
export const isKeyChange = ({ type }: { type: string }): boolean => KEY_CHANGES.has(type);
