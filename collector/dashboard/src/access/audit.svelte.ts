// The audit, newest first and page by page. Nothing in it ever changes, so what was loaded stays, and only
// what is newer is asked for.
import type { AuditEntry, AuditList } from '../feed/access.ts';
import { get, wordsOf } from '../feed/api.ts';

const PAGE = 100;
/** More than this nobody scrolls through. */
export const MOST = 5000;

export class Audit {
  entries = $state.raw<readonly AuditEntry[]>([]);
  /** True until the first answer. */
  waiting = $state(true);
  more = $state(false);
  busy = $state(false);
  error = $state<string | null>(null);
  #cursor: string | undefined;
  #ended = new AbortController();

  constructor() {
    void this.renew();
  }

  /** What is new. Where that is more than a page, the list begins anew, so that it has no hole. */
  async renew(): Promise<void> {
    if (this.busy) return;
    const page = await this.#ask(undefined);
    if (!page) return;
    const newest = this.entries[0]?.seq ?? -1;
    const news = page.audit.filter(({ seq }) => seq > newest);
    const meets = this.entries.length > 0 && news.length < page.audit.length;
    if (meets) this.entries = [...news, ...this.entries].slice(0, MOST);
    else {
      this.entries = page.audit;
      this.#goOn(page);
    }
    this.waiting = false;
  }

  async further(): Promise<void> {
    const cursor = this.#cursor;
    if (cursor === undefined || this.busy) return;
    const page = await this.#ask(cursor);
    if (!page) return;
    const oldest = this.entries.at(-1)?.seq ?? Infinity;
    this.entries = [...this.entries, ...page.audit.filter(({ seq }) => seq < oldest)];
    this.#goOn(page);
  }

  end(): void {
    this.#ended.abort();
  }

  #goOn(page: AuditList): void {
    this.#cursor = page.next_cursor ?? undefined;
    this.more = this.#cursor !== undefined && this.entries.length < MOST;
  }

  async #ask(cursor: string | undefined): Promise<AuditList | null> {
    const { signal } = this.#ended;
    this.busy = true;
    try {
      const page = await get<AuditList>('audit', { query: { limit: PAGE, cursor }, signal });
      this.error = null;
      return page;
    } catch (error) {
      if (!signal.aborted) this.error = wordsOf(error);
      return null;
    } finally {
      this.busy = false;
    }
  }
}
