import { expect, it } from 'vitest';
import { aListedModel } from '../feed/examples.ts';
import { buildsOf, contextText, factsOf, letter, tokens } from './builds.ts';

const variant = aListedModel('').variants[0]!;

it('puts services of one digest together, whatever else they say', () => {
  const model = aListedModel('m', {
    services: ['a', 'b', 'c', 'd'],
    variants: [
      { ...variant, digest: 'bb', services: ['b'] },
      { ...variant, digest: null, services: ['d'] },
      { ...variant, digest: 'aa', services: ['a'] },
      { ...variant, digest: 'aa', context_length: 1, services: ['c'] },
    ],
  });
  expect(buildsOf(model)).toEqual([
    { digest: 'aa', services: ['a', 'c'] },
    { digest: 'bb', services: ['b'] },
    { digest: null, services: ['d'] },
  ]);
  expect([0, 1, 26, -1].map(letter)).toEqual(['A', 'B', '+', '?']);
});

it('takes all services for the only build', () => {
  expect(buildsOf(aListedModel('m', { services: ['a', 'b'] }))[0]?.services).toEqual(['a', 'b']);
});

it('tells facts over all builds, each once', () => {
  const other = { ...variant, quantization: 'Q8_0', context_length: 8192, capabilities: ['tools'] };
  const facts = factsOf(aListedModel('m', { variants: [variant, other] }));
  expect(facts.quantizations).toEqual(['Q4_K_M', 'Q8_0']);
  expect(facts.capabilities).toEqual(['completion', 'tools']);
  expect(contextText(facts.context)).toBe('8k–128k');
  expect(contextText(factsOf(aListedModel('m', { variants: [] })).context)).toBeNull();
});

it('says tokens as their makers do', () => {
  expect([512, 4096, 32_000, 131_072, 1_048_576].map(tokens)).toEqual([
    '512',
    '4k',
    '32k',
    '128k',
    '1M',
  ]);
});
