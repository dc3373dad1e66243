import { expect, it } from 'vitest';
import { openToNetwork } from './exposure.ts';

const finding = (code: string, message: string) => ({ code, message });

it('is open where it says so, with what is worse first', () => {
  const open = finding('exposed_without_credential', 'it listens on 0.0.0.0');
  const worse = finding('exposed_and_vulnerable', 'anybody can read its memory');
  expect(openToNetwork([open])).toBe('it listens on 0.0.0.0');
  expect(openToNetwork([open, worse])).toBe('anybody can read its memory\nit listens on 0.0.0.0');
});

it('is not open for other reasons, nor where nothing is known', () => {
  expect(openToNetwork([])).toBeNull();
  expect(
    openToNetwork([finding('known_vulnerable', 'x'), finding('needs_credential', 'y')]),
  ).toBeNull();
});

it('shows what nobody can see', () => {
  const told = openToNetwork([finding('exposed_without_credential', 'a\u202eb')]);
  expect(told).not.toContain('\u202e');
});
