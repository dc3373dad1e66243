// The collector's list of models, kept fresh: asked again soon after the feed said that models came, went or
// changed. Of a large fleet that list is long, so there the regular round has to do.
import { Asked } from '../asked.svelte.ts';
import { getAll } from '../feed/api.ts';
import type { Change, ListedModel } from '../feed/contract.ts';

const MODELS_MOST = 3000;
const SMALL_FLEET = 300;
const REFRESH_MS = { small: 10_000, large: 30_000 };

export interface Listed {
  entries: ListedModel[];
  more: boolean;
}

export const askModels = (n_services: number): Asked<Listed> =>
  new Asked(
    (signal) => getAll<ListedModel>('models', 'models', { most: MODELS_MOST, signal }),
    REFRESH_MS[n_services > SMALL_FLEET ? 'large' : 'small'],
  );

/** Whether what was said bears on the list; warmth is in the feed itself. */
export const isNews = (changes: readonly Change[], n_services: number): boolean =>
  n_services <= SMALL_FLEET && changes.some((change) => /^(model|service)\./.test(change.type));
