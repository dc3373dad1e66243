// Who reads this page, as the collector says it. It is asked at the start, and again whenever something
// was refused, so that the page follows when a right ends or another tab signs out.
import type { SignInState } from '../feed/access.ts';
import { call, get, onRefusal, wordsOf } from '../feed/api.ts';
import { may, type Doing } from './may.ts';

const TRY_AGAIN_MS = 2000;

/** Why nobody is signed in. */
export type Ended = 'never' | 'signed_out' | 'over';

export class Session {
  /** What the collector said last; null until it said something. */
  view = $state.raw<SignInState | null>(null);
  /** Why it has not said anything yet, in words. */
  error = $state<string | null>(null);
  ended = $state<Ended>('never');
  #asking: Promise<void> | null = null;
  /** Moves when the reader signs in or out, so that an older answer does not undo that. */
  #turn = 0;

  get isSomebody(): boolean {
    return this.view !== null && this.view.principal.kind !== 'nobody';
  }

  /** Nothing of the page is for the reader before they sign in. */
  get mustSignIn(): boolean {
    return !this.isSomebody && (this.view?.credentials_demanded ?? false);
  }

  /** There are people, tokens and keys to look after, and the reader may. */
  get administers(): boolean {
    return (this.view?.credentials_demanded ?? false) && this.may('administer');
  }

  may(doing: Doing): boolean {
    return may(this.view?.principal.role ?? null, doing);
  }

  /** Asks who the reader is; one question at a time. */
  ask(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async signIn(name: string, password: string): Promise<void> {
    this.#take(await call<SignInState>('POST', 'session', { body: { name, password } }));
  }

  async becomeFirstAdmin(code: string, name: string, password: string): Promise<void> {
    const body = { code, name, password };
    this.#take(await call<SignInState>('POST', 'first-admin', { body }));
    // Whatever that answered, it set the cookie.
    await this.ask();
  }

  async signOut(): Promise<void> {
    await call('DELETE', 'session');
    const before = this.view;
    this.#turn++;
    if (before) this.view = { ...before, principal: NOBODY, expires_at: null };
    this.ended = 'signed_out';
  }

  #take(view: SignInState | null): void {
    this.#turn++;
    if (view?.principal === undefined) return;
    this.view = view;
    this.ended = 'never';
  }

  async #ask(): Promise<void> {
    const turn = this.#turn;
    try {
      const view = await get<SignInState>('session');
      // Whoever waits for this wants to know how it is since.
      if (turn !== this.#turn) return await this.#ask();
      if (this.isSomebody && view.principal.kind === 'nobody') this.ended = 'over';
      this.view = view;
      this.error = null;
    } catch (error) {
      this.error = wordsOf(error);
      // Whoever is there stays there; without an answer yet, there is nothing to show.
      if (this.view === null) setTimeout(() => void this.ask(), TRY_AGAIN_MS);
    }
  }
}

const NOBODY: SignInState['principal'] = { kind: 'nobody', name: null, role: null };

export const session = new Session();

/** Begins to follow who reads the page. */
export function follow(one: Session = session): void {
  onRefusal(() => void one.ask());
  // Somebody may have signed in in another tab.
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && one.mustSignIn) void one.ask();
  });
  void one.ask();
}
