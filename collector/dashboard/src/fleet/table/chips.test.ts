import { expect, it } from 'vitest';
import { fitting } from './chips.ts';

it('shows many short names or few long ones', () => {
  expect(fitting(['phi4:5b', 'qwen3:2b', 'llama:1b', 'gemma3:3b'], 36)).toBe(3);
  expect(fitting(['llama3.3:70b-instruct-q8_0', 'deepseek-r1:70b'], 36)).toBe(1);
  expect(fitting(['x'.repeat(256)], 10)).toBe(1);
  expect(fitting([], 36)).toBe(0);
});
