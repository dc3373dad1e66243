// What the page asks by REST and keeps fresh: asked at once, again soon after the feed said that it
// changed, and every now and then. The last good answer stays while a new one is awaited.
import { ApiError, wordsOf } from './feed/api.ts';

const SOON_MS = 500;
const REFRESH_MS = 10_000;

export class Asked<T> {
  value = $state.raw<T | null>(null);
  /** Why the last question got no answer, in words. */
  error = $state<string | null>(null);
  /** True where the collector says that there is no such thing. */
  missing = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #refresh: ReturnType<typeof setInterval>;
  #ended = new AbortController();
  #asking = false;
  /** Something changed while nobody looked. */
  #isDue = false;
  #looked = (): void => {
    if (!document.hidden && this.#isDue) void this.#ask();
  };

  constructor(
    readonly ask: (signal: AbortSignal) => Promise<T>,
    refresh_ms = REFRESH_MS,
  ) {
    void this.#ask();
    this.#refresh = setInterval(() => {
      if (!document.hidden) void this.#ask();
    }, refresh_ms);
    document.addEventListener('visibilitychange', this.#looked);
  }

  soon(): void {
    if (this.#ended.signal.aborted) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (document.hidden) this.#isDue = true;
      else void this.#ask();
    }, SOON_MS);
  }

  /** Asks no more; whoever made it calls this when it goes. */
  end(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#refresh);
    document.removeEventListener('visibilitychange', this.#looked);
    this.#ended.abort();
  }

  /** One question at a time: a busy fleet must not cut off its own answers. */
  async #ask(): Promise<void> {
    if (this.#asking) return this.soon();
    this.#asking = true;
    this.#isDue = false;
    const { signal } = this.#ended;
    try {
      this.value = await this.ask(signal);
      this.error = null;
      this.missing = false;
    } catch (error) {
      if (signal.aborted) return;
      this.missing = error instanceof ApiError && error.status === 404;
      this.error = wordsOf(error);
    } finally {
      this.#asking = false;
    }
  }
}
