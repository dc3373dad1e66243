import { render } from 'svelte/server';
import { expect, it } from 'vitest';
import Refusal from './Refusal.svelte';

const told = (error: unknown): string => render(Refusal, { props: { error } }).body;

it('shows the words of an error, and nothing without one', () => {
  expect(told(new Error('there is none'))).toContain('there is none');
  expect(told('just words')).toContain('just words');
  expect(told(null)).not.toContain('<p');
});

it('lets no direction mark and no markup through', () => {
  const html = told(new Error('no host "\u202Egpj.exe" <b>'));
  expect(html).toContain('\\u{202E}gpj.exe');
  expect(html).not.toMatch(/\u202E|<b>/);
});
