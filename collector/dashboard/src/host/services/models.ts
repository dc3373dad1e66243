// Order and words of a service's models on its host's page.
import type { Model, ServiceDetail, ServiceSample } from '../../feed/contract.ts';
import { count, DASH, span } from '../../format.ts';
import { natural } from '../../fleet/table/order.ts';

export function warmFirst(models: readonly Model[]): Model[] {
  const keyed = models.map((model) => ({
    model,
    key: `${model.warm ? 0 : 1}${natural(model.name)}`,
  }));
  return keyed
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ model }) => model);
}

/** The newest that samples tell of a service, over what was asked for. */
export function withSample(
  service: ServiceDetail,
  sample: ServiceSample | undefined,
): ServiceDetail {
  if (!sample) return service;
  const { models: expiries, id: _, ...moving } = sample;
  const expires = new Map(expiries.map(({ name, expires_at }) => [name, expires_at]));
  const models = service.models.map((model) => {
    const expires_at = expires.get(model.name);
    return expires_at === undefined ? model : { ...model, expires_at };
  });
  return { ...service, ...moving, models };
}

/** When it leaves memory: to the second in its last minutes. */
export function expiry(model: Pick<Model, 'warm' | 'keep' | 'expires_at'>, now_ms: number): string {
  if (!model.warm) return DASH;
  if (model.keep === 'forever') return 'never';
  const at_ms = model.expires_at ? Date.parse(model.expires_at) : NaN;
  if (Number.isNaN(at_ms)) return DASH;
  const left_s = Math.floor((at_ms - now_ms) / 1000);
  if (left_s <= 0) return 'now';
  if (left_s >= 3600) return `in ${span(at_ms - now_ms)}`;
  return `in ${Math.floor(left_s / 60)}:${String(left_s % 60).padStart(2, '0')}`;
}

/** `8k of 128k`: what it was loaded with, and what it could take. */
export function context(model: Model): string {
  const most = tokens(model.context_length);
  if (!model.warm || model.loaded_context_length === null) return most;
  const loaded = tokens(model.loaded_context_length);
  return most === DASH || most === loaded ? loaded : `${loaded} of ${most}`;
}

function tokens(n: number | null): string {
  if (n === null) return DASH;
  return n >= 1024 && n % 1024 === 0 ? `${count(n / 1024)}k` : count(n);
}
