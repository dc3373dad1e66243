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
    const isWhole = page.next_cursor === null;
    // What is as new as this page, and is not in it, is no longer of this kind.
    const below = this.alerts.filter(
      (alert) => !known.has(alert.id) && !isWhole && last && isBelow(alert, last),
    );
    this.alerts = [...page.alerts, ...below];
    if (below.length === 0) this.#goOn(page);
    this.waiting = false;
  }

  async further(): Promise<void> {
    if (this.#cursor === undefined || this.busy) return;
    const page = await this.#ask(this.#cursor);
    if (!page) return;
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
