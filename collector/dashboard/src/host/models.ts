// Order and words of a service's models in the panel.
import type { Model } from '../feed/contract.ts';
import { DASH, span } from '../format.ts';
import { natural } from '../fleet/table/order.ts';

export function warmFirst(models: readonly Model[]): Model[] {
  const keyed = models.map((model) => ({
    model,
    key: `${model.warm ? 0 : 1}${natural(model.name)}`,
  }));
  return keyed
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ model }) => model);
}

export function expiry(model: Pick<Model, 'warm' | 'keep' | 'expires_at'>, now_ms: number): string {
  if (!model.warm) return DASH;
  if (model.keep === 'forever') return 'never';
  const at_ms = model.expires_at ? Date.parse(model.expires_at) : NaN;
  if (Number.isNaN(at_ms)) return DASH;
  return at_ms <= now_ms ? 'now' : `in ${span(at_ms - now_ms)}`;
}
