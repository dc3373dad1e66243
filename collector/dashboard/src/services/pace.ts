// How often a list over the whole fleet is asked anew. Of a large fleet that list is long, so there what the
// feed says is no reason to ask for it, and the regular round has to do.
const SMALL_FLEET = 300;
const REFRESH_MS = { small: 10_000, large: 30_000 };

export const isSmall = (n_services: number): boolean => n_services <= SMALL_FLEET;
export const refresh_ms = (n_services: number): number =>
  REFRESH_MS[isSmall(n_services) ? 'small' : 'large'];
