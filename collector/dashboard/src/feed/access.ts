// Who may come in: people, tokens, agents' keys and the audit, as the collector answers them.
// Written by hand after its routes; types of generated/openapi.d.ts can take their place one by one,
// since all of the page has them from this file.

export type Role = 'viewer' | 'client' | 'admin';
export const ROLES: readonly Role[] = ['viewer', 'client', 'admin'];

export interface SessionView {
  principal: {
    kind: 'nobody' | 'local' | 'person' | 'token' | 'proxy';
    name: string | null;
    role: Role | null;
  };
  credentials_demanded: boolean;
  first_admin_needed: boolean;
  expires_at: string | null;
}

export interface PersonView {
  name: string;
  role: Role;
  created_at: string;
  created_by: string | null;
  last_seen_at: string | null;
}

export interface TokenView {
  id: string;
  name: string;
  role: Role;
  created_at: string;
  created_by: string | null;
  expires_at: string | null;
  last_used_at: string | null;
  state: 'active' | 'expired' | 'revoked';
}

/** Only the answer that made it has the token. */
export interface MadeToken extends TokenView {
  token: string;
}

export interface JoinTokenView {
  id: string;
  uses: number;
  uses_left: number;
  name_pattern: string | null;
  from: string | null;
  created_at: string;
  created_by: string | null;
  expires_at: string;
  state: 'active' | 'used_up' | 'expired' | 'revoked';
}

/** Only the answer that made it has the token, and the line with it. */
export interface MadeJoinToken extends JoinTokenView {
  token: string;
  url: string;
  pins: string[];
  line: string;
}

export interface AgentView {
  fingerprint: string;
  host_id: string | null;
  name: string;
  state: 'pending' | 'approved' | 'revoked';
  how: 'token' | 'approval' | 'cidr' | 'open' | null;
  from_address: string | null;
  first_seen_at: string;
  last_seen_at: string | null;
  approved_at: string | null;
  approved_by: string | null;
  key_made_at: string | null;
  connected: boolean;
}

export interface AuditEntry {
  seq: number;
  at: string;
  actor: string;
  action: string;
  subject: string | null;
  from_address: string | null;
  detail: unknown;
  hash: string;
}

export interface AuditPage {
  audit: AuditEntry[];
  next_cursor: string | null;
}

export interface AuditVerdict {
  intact: boolean;
  n: number;
  first_seq: number | null;
  head: { seq: number; hash: string } | null;
  broken_at: number | null;
}

/** Changes of the feed that carry an agent's key, and no host. */
export type KeyChange = 'host.pending' | 'host.approved' | 'host.revoked';
const KEY_CHANGES: ReadonlySet<string> = new Set<KeyChange>([
  'host.pending',
  'host.approved',
  'host.revoked',
]);
export const isKeyChange = ({ type }: { type: string }): boolean => KEY_CHANGES.has(type);
