// Alerts of the past, page by page. What is new at its top is taken in when the feed says so; what was
// loaded further down stays.
import { get } from '../feed/api.ts';
import type { ListedAlert } from '../feed/contract.ts';

const PAGE = 50;
/** More than this nobody scrolls through: a filter finds it. */
export const MOST = 2000;

interface AlertPage {
  alerts: ListedAlert[];
  next_cursor: string | null;
}

export class PastAlerts {
  alerts = $state.raw<readonly ListedAlert[]>([]);
  /** True until the first answer. */
  waiting = $state(true);
  more = $state(false);
  busy = $state(false);
  error = $state<string | null>(null);
  #cursor: string | undefined;
  #ended = new AbortController();

  constructor(readonly query: Record<string, string>) {
    void this.renew();
  }

  /** The newest again, which leaves what is further down as it is. */
  async renew(): Promise<void> {
    const page = await this.#ask(undefined);
    if (!page) return;
    const known = new Set(page.alerts.map(({ id }) => id));
    const last = page.alerts.at(-1);
    // Where the page does not meet what is there, others lie between the two, which nobody asked for.
    const meets = this.alerts.some(({ id }) => known.has(id));
    const goesOn = meets && page.next_cursor !== null;
    // What is as new as this page, and is not in it, is no longer of this kind.
    const below = this.alerts.filter(
      (alert) => goesOn && !known.has(alert.id) && last && isBelow(alert, last),
    );
    this.alerts = [...page.alerts, ...below].slice(0, MOST);
    this.more &&= this.alerts.length < MOST;
    if (below.length === 0) this.#goOn(page);
    this.waiting = false;
  }

  async further(): Promise<void> {
    const cursor = this.#cursor;
    if (cursor === undefined || this.busy) return;
    const page = await this.#ask(cursor);
    // The list may have begun anew above while this was asked.
    if (!page || cursor !== this.#cursor) return;
    const known = new Set(this.alerts.map(({ id }) => id));
    this.alerts = [...this.alerts, ...page.alerts.filter(({ id }) => !known.has(id))];
    this.#goOn(page);
  }

  end(): void {
    this.#ended.abort();
  }

  #goOn(page: AlertPage): void {
    this.#cursor = page.next_cursor ?? undefined;
    this.more = this.#cursor !== undefined && this.alerts.length < MOST;
  }

  async #ask(cursor: string | undefined): Promise<AlertPage | null> {
    const { signal } = this.#ended;
    this.busy = true;
    try {
      const query = { ...this.query, limit: PAGE, cursor };
      const page = await get<AlertPage>('alerts', { query, signal });
      this.error = null;
      return page;
    } catch (error) {
      if (!signal.aborted) this.error = error instanceof Error ? error.message : String(error);
      return null;
    } finally {
      this.busy = false;
    }
  }
}

const isBelow = (alert: ListedAlert, last: ListedAlert): boolean =>
  alert.raised_at < last.raised_at || (alert.raised_at === last.raised_at && alert.id > last.id);
