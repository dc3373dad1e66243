// What a role may do, as the collector decides it: the page shows no button that would be refused.
import { ROLES, type AccessRole } from '../feed/access.ts';

/**
 * `register`: a service of one's own. `change`: what the registry holds. `administer`: who may come in.
 */
export type Doing = 'read' | 'register' | 'change' | 'administer';

const LEAST: Record<Doing, AccessRole> = {
  read: 'viewer',
  register: 'client',
  change: 'admin',
  administer: 'admin',
};

export const may = (role: AccessRole | null, doing: Doing): boolean =>
  role !== null && ROLES.indexOf(role) >= ROLES.indexOf(LEAST[doing]);
