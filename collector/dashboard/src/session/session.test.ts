import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { AccessRole, SignInState } from '../feed/access.ts';
import { may } from './may.ts';
import { Session } from './session.svelte.ts';

const fetched = vi.fn<(url: URL, request: RequestInit) => Promise<Response>>();

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { baseURI: 'http://collector/' });
  vi.stubGlobal('fetch', fetched);
});
afterEach(() => {
  fetched.mockReset();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

type Kind = SignInState['principal']['kind'];
const who = (kind: Kind, role: AccessRole | null, demanded = true): SignInState => ({
  principal: { kind, name: kind === 'person' ? 'anna' : null, role },
  credentials_demanded: demanded,
  first_admin_needed: false,
  expires_at: null,
});
const answers = (body: unknown, status = 200) =>
  fetched.mockResolvedValueOnce(new Response(JSON.stringify(body), { status }));

it('lets each role do what it may, and nobody nothing', () => {
  const rights = ([null, 'viewer', 'client', 'admin'] as const).map((role) =>
    (['read', 'register', 'change', 'administer'] as const).filter((doing) => may(role, doing)),
  );
  expect(rights).toEqual([
    [],
    ['read'],
    ['read', 'register'],
    ['read', 'register', 'change', 'administer'],
  ]);
});

it('asks nothing of people on the machine itself, who may do all', async () => {
  const session = new Session();
  answers(who('local', 'admin', false));
  await session.ask();
  expect(session.mustSignIn).toBe(false);
  expect(session.may('change')).toBe(true);
  expect(session.administers).toBe(false);
});

it('asks nobody to sign in before it knows whether that is wanted, and asks again until it knows', async () => {
  const session = new Session();
  fetched.mockRejectedValueOnce(new TypeError('failed to fetch'));
  await session.ask();
  expect(session.mustSignIn).toBe(false);
  expect(session.error).toBe('The collector does not answer.');
  answers(who('nobody', null));
  await vi.advanceTimersByTimeAsync(2000);
  expect(session.mustSignIn).toBe(true);
  expect(session.error).toBeNull();
});

it('lets somebody in who signs in, and says afterwards how it ended', async () => {
  const session = new Session();
  answers(who('nobody', null));
  await session.ask();
  answers(who('person', 'viewer'));
  await session.signIn('anna', 'a long password');
  expect(session.mustSignIn).toBe(false);
  expect(session.may('change')).toBe(false);
  expect(session.ended).toBe('never');

  answers(who('nobody', null));
  await session.ask();
  expect([session.mustSignIn, session.ended]).toEqual([true, 'over']);

  answers(who('person', 'admin'));
  await session.signIn('anna', 'a long password');
  expect(session.administers).toBe(true);
  fetched.mockResolvedValueOnce(new Response(null, { status: 204 }));
  await session.signOut();
  expect([session.mustSignIn, session.ended]).toEqual([true, 'signed_out']);
});

it('keeps who is there while the collector does not answer', async () => {
  const session = new Session();
  answers(who('person', 'admin'));
  await session.ask();
  fetched.mockRejectedValueOnce(new TypeError('failed to fetch'));
  await session.ask();
  expect(session.isSomebody).toBe(true);
});

it('is not undone by an answer to what was asked before', async () => {
  const session = new Session();
  answers(who('nobody', null));
  await session.ask();
  let late: (response: Response) => void = () => {};
  fetched.mockReturnValueOnce(new Promise((resolve) => (late = resolve)));
  const asking = session.ask();
  answers(who('person', 'admin'));
  await session.signIn('anna', 'a long password');
  answers(who('person', 'admin'));
  late(new Response(JSON.stringify(who('nobody', null))));
  await asking;
  expect(session.isSomebody).toBe(true);
});
