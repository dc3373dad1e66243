// Why a try to come in failed, and how long the collector wants no other one.
import { ApiError, wordsOf } from '../feed/api.ts';
import { span } from '../format.ts';

export class Tries {
  /** What was wrong the last time, in words. */
  fault = $state<string | null>(null);
  /** Seconds until the next try. */
  wait_s = $state(0);
  busy = $state(false);
  /** False once the wait is over: then what is said is no fault. */
  isRefused = $state(false);
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `ours` has words for what this page knows better than an answer can say. True when it was done. */
  async go(act: () => Promise<void>, ours: Record<number, string> = {}): Promise<boolean> {
    if (this.busy || this.wait_s > 0) return false;
    this.busy = true;
    this.fault = null;
    try {
      await act();
      return true;
    } catch (error) {
      const status = error instanceof ApiError ? error.status : 0;
      this.fault = ours[status] ?? wordsOf(error);
      this.isRefused = true;
      if (error instanceof ApiError && status === 429) {
        const seconds = error.retry_after_s ?? 1;
        this.fault = `Too many tries: wait ${span(seconds * 1000)}.`;
        this.#wait(seconds);
      }
      return false;
    } finally {
      this.busy = false;
    }
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #wait(seconds: number): void {
    const until_ms = Date.now() + seconds * 1000;
    clearInterval(this.#timer);
    const look = () => {
      this.wait_s = Math.max(0, Math.ceil((until_ms - Date.now()) / 1000));
      if (this.wait_s > 0) return;
      clearInterval(this.#timer);
      this.fault = 'You can try again now.';
      this.isRefused = false;
    };
    look();
    this.#timer = setInterval(look, 500);
  }
}
