// What goes by one model's name: its digests and who has which, and its facts over all of them.
import type { ListedModel, ModelVariant } from '../feed/contract.ts';

/** Services that have the same digest. */
export interface Build {
  digest: string | null;
  services: readonly string[];
}

/** What most services have comes first. */
export function buildsOf(model: ListedModel): Build[] {
  const byDigest = new Map<string | null, string[]>();
  for (const variant of model.variants) {
    const services = byDigest.get(variant.digest) ?? [];
    services.push(...servicesOf(model, variant));
    byDigest.set(variant.digest, services);
  }
  const builds = [...byDigest].map(([digest, services]) => ({ digest, services }));
  return builds.sort(
    (a, b) =>
      Number(a.digest === null) - Number(b.digest === null) ||
      b.services.length - a.services.length,
  );
}

export const servicesOf = (model: ListedModel, variant: ModelVariant): readonly string[] =>
  variant.services ?? model.services;

/** `A` for what most have, `B` for the next; `?` where no digest was told. */
export const letter = (build: number): string =>
  build < 0 ? '?' : build < 26 ? String.fromCharCode(65 + build) : '+';

export const short = (digest: string): string => digest.slice(0, 12);

export interface Facts {
  quantizations: string[];
  parameters: string[];
  families: string[];
  capabilities: string[];
  /** The shortest and the longest that is told. */
  context: [number, number] | null;
  remote: boolean;
}

export function factsOf(model: ListedModel): Facts {
  const { variants } = model;
  const contexts = variants.map((one) => one.context_length).filter((one) => one !== null);
  const each = (read: (one: ModelVariant) => string | null) => distinct(variants.map(read));
  return {
    quantizations: each((one) => one.quantization),
    parameters: each((one) => one.parameters),
    families: each((one) => one.family),
    capabilities: distinct(variants.flatMap((one) => one.capabilities)),
    context: contexts.length === 0 ? null : [Math.min(...contexts), Math.max(...contexts)],
    remote: variants.length > 0 && variants.every((one) => one.remote),
  };
}

const distinct = (texts: (string | null)[]): string[] =>
  [...new Set(texts.filter((text) => text !== null && text !== ''))] as string[];

/** Tokens as their makers say them: 131072 is `128k`. */
export function tokens(value: number): string {
  if (value < 1024) return String(value);
  const unit = value % 1000 === 0 && value % 1024 !== 0 ? 1000 : 1024;
  const thousands = value / unit;
  if (thousands >= 1000) return `${Math.round((thousands / unit) * 10) / 10}M`;
  return `${Math.round(thousands)}k`;
}

export function contextText(context: Facts['context']): string | null {
  if (context === null) return null;
  const [shortest, longest] = context;
  return shortest === longest ? tokens(longest) : `${tokens(shortest)}–${tokens(longest)}`;
}
