import { expect, it } from 'vitest';
import { adviceFor } from '../host/say/advice.ts';
import { RULES, RULE_WORDS, SEVERITIES, adviceOf, titleOf } from './rules.ts';

const description = import.meta.glob<string>('../../../../docs/openapi.json', {
  query: '?raw',
  import: 'default',
  eager: true,
});
const { components } = JSON.parse(Object.values(description)[0]!) as {
  components: { schemas: Record<string, { oneOf: { const: string }[] }> };
};
const wordsOf = (schema: string) => components.schemas[schema]!.oneOf.map((one) => one.const);

it('has a title and advice for every rule of the collector, and for no other', () => {
  expect(RULE_WORDS.toSorted()).toEqual(wordsOf('AlertRule').toSorted());
  for (const { title, advice } of Object.values(RULES)) {
    expect(title).toMatch(/^\p{Lu}/u);
    expect(advice.length).toBeGreaterThan(40);
    expect(advice).toMatch(/\.$/);
  }
});

it('knows all severities, the worst first', () => {
  expect(SEVERITIES.toReversed()).toEqual(wordsOf('Severity'));
});

it('says the word of a rule that it does not know, and no advice', () => {
  expect([titleOf('gpu_melted'), adviceOf('gpu_melted')]).toEqual(['GPU melted', null]);
  expect([titleOf('constructor'), adviceOf('toString')]).toEqual(['Constructor', null]);
});

it('gives for a copied identity the lines that the page of the host gives', () => {
  const lines = adviceFor('duplicate_identity')?.steps[0]?.lines?.split('\n') ?? [];
  expect(lines).toHaveLength(3);
  for (const line of lines) expect(adviceOf('duplicate_identity')).toContain(line);
});
