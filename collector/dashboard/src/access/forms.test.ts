import { expect, it } from 'vitest';
import { ApiError } from '../feed/api.ts';
import { faultOfPassword } from '../session/password.ts';
import { joinFormOf, placed } from './forms.ts';

const FIELDS = { uses: '1', hours: '24', name_pattern: '', from: '' };

it('sends what was filled in, and leaves out what was not', () => {
  expect(joinFormOf(FIELDS)).toEqual({ body: { uses: 1, expires_in_s: 86_400 }, faults: {} });
  const all = { uses: ' 20 ', hours: '2', name_pattern: ' gpu-* ', from: '10.0.0.0/8' };
  expect(joinFormOf(all).body).toEqual({
    uses: 20,
    expires_in_s: 7200,
    name_pattern: 'gpu-*',
    from: '10.0.0.0/8',
  });
});

it.each(['', '0', '-1', '1.5', '1e3', 'many', '99999999'])(
  'does not take %j for a number',
  (text) => {
    const { body, faults } = joinFormOf({ ...FIELDS, uses: text, hours: text });
    expect(body).toBeNull();
    expect(Object.keys(faults)).toEqual(['uses', 'expires_in_s']);
  },
);

it('says what was refused at its field, and else below the form', () => {
  const refused = new ApiError(422, 'from must be a network', 'from');
  expect(placed(refused, ['uses', 'from'])).toEqual({ from: 'from must be a network' });
  expect(placed(refused, ['name'])).toEqual({ form: 'from must be a network' });
  expect(placed(new Error('gone'), ['name'])).toEqual({ form: 'gone' });
});

it('counts the characters of a password as people do, and wants it twice', () => {
  expect(faultOfPassword('', '')).toHaveProperty('password');
  expect(faultOfPassword('elevenchars', 'elevenchars')).toEqual({
    password: 'At least 12 characters; these are 11.',
  });
  expect(faultOfPassword('🐑'.repeat(11), '🐑'.repeat(11))).toHaveProperty('password');
  expect(faultOfPassword('🐑'.repeat(12), '🐑'.repeat(12))).toEqual({});
  expect(faultOfPassword('twelve chars', 'twelve charz')).toEqual({
    again: 'This is not the same.',
  });
});
