// The collector's list of models, kept fresh: asked again soon after the feed said that models came, went or
// changed, in a small fleet.
import { Asked } from '../asked.svelte.ts';
import { getAll } from '../feed/api.ts';
import type { Change, ListedModel } from '../feed/contract.ts';
import { refresh_ms } from '../services/pace.ts';

const MODELS_MOST = 3000;

export interface Listed {
  entries: ListedModel[];
  more: boolean;
}

export const askModels = (n_services: number): Asked<Listed> =>
  new Asked(
    (signal) => getAll<ListedModel>('models', 'models', { most: MODELS_MOST, signal }),
    refresh_ms(n_services),
  );

/** Whether what was said bears on the list; warmth is in the feed itself. */
export const altersModels = ({ type }: Change): boolean => /^(model|service)\./.test(type);
