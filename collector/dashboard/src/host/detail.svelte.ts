// The whole of one host, by REST: asked for when the panel opens, when the feed says that something
// about the host changed, and every ten seconds. The last good answer stays while a new one is awaited.
import { getHost, getServicesOf } from '../feed/api.ts';
import type { HostDetail, ServiceDetail } from '../feed/contract.ts';

const SOON_MS = 250;
const REFRESH_MS = 10_000;

export class Detail {
  host = $state.raw<HostDetail | null>(null);
  services = $state.raw<ServiceDetail[] | null>(null);
  error = $state<string | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #refresh: ReturnType<typeof setInterval>;
  #asked = new AbortController();

  constructor(readonly id: string) {
    void this.#ask();
    this.#refresh = setInterval(() => {
      if (!document.hidden) void this.#ask();
    }, REFRESH_MS);
  }

  askSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#ask();
    }, SOON_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#refresh);
    this.#asked.abort();
  }

  async #ask(): Promise<void> {
    this.#asked.abort();
    const asked = (this.#asked = new AbortController());
    try {
      const both = [getHost(this.id, asked.signal), getServicesOf(this.id, asked.signal)] as const;
      const [host, services] = await Promise.all(both);
      if (asked.signal.aborted) return;
      this.host = host;
      this.services = services;
      this.error = null;
    } catch (error) {
      if (asked.signal.aborted) return;
      this.error = error instanceof Error ? error.message : 'The collector does not answer.';
    }
  }
}
