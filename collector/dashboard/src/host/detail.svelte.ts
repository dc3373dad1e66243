// The whole of one host, by REST: asked for when the panel opens, when the feed says that something
// about the host changed, and every ten seconds. The last good answer stays while a new one is awaited.
import { getHost, getServicesOf } from '../feed/api.ts';
import type { HostDetail, ServiceDetail } from '../feed/contract.ts';

const SOON_MS = 500;
const REFRESH_MS = 10_000;

export class Detail {
  host = $state.raw<HostDetail | null>(null);
  services = $state.raw<ServiceDetail[] | null>(null);
  error = $state<string | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #refresh: ReturnType<typeof setInterval>;
  #ended = new AbortController();
  #asking = false;

  constructor(readonly id: string) {
    void this.#ask();
    this.#refresh = setInterval(() => {
      if (!document.hidden) void this.#ask();
    }, REFRESH_MS);
  }

  askSoon(): void {
    if (this.#ended.signal.aborted) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#ask();
    }, SOON_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#refresh);
    this.#ended.abort();
  }

  /** One question at a time: a busy host must not cut off its own answers. */
  async #ask(): Promise<void> {
    if (this.#asking) return this.askSoon();
    this.#asking = true;
    const { signal } = this.#ended;
    try {
      const both = [getHost(this.id, signal), getServicesOf(this.id, signal)] as const;
      [this.host, this.services] = await Promise.all(both);
      this.error = null;
    } catch (error) {
      if (signal.aborted) return;
      this.error = error instanceof Error ? error.message : 'The collector does not answer.';
    } finally {
      this.#asking = false;
    }
  }
}
