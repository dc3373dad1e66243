// Pointers on the picture: one drags it, two pinch it. A press that hardly moves is a click.

interface Press {
  pointerId: number;
  clientX: number;
  clientY: number;
}

export interface Moved {
  dx: number;
  dy: number;
  /** How many times larger, about this point. */
  by: number;
  at: { x: number; y: number };
}

/** A press that moves less than this is none that drags. */
const STILL = 4;

export class Fingers {
  #down = new Map<number, { x: number; y: number }>();
  #travelled = 0;
  #eat = false;

  get isDown(): boolean {
    return this.#down.size > 0;
  }

  get isDragging(): boolean {
    return this.isDown && this.#travelled > STILL;
  }

  down({ pointerId, clientX, clientY, button = 0 }: Press & { button?: number }): void {
    if (button !== 0) return;
    if (this.#down.size === 0) [this.#travelled, this.#eat] = [0, false];
    this.#down.set(pointerId, { x: clientX, y: clientY });
  }

  up({ pointerId }: Pick<Press, 'pointerId'>): void {
    if (this.#down.delete(pointerId)) this.#eat = this.#travelled > STILL;
  }

  /** Whether the click that comes now only ended a drag. */
  ateClick(): boolean {
    const eaten = this.#eat;
    this.#eat = false;
    return eaten;
  }

  /** What a move asks for; nothing where no finger is down, or it hardly moved. */
  move({ pointerId, clientX, clientY }: Press, from: { left: number; top: number }): Moved | null {
    const before = this.#down.get(pointerId);
    if (!before) return null;
    const now = { x: clientX, y: clientY };
    this.#travelled += Math.hypot(now.x - before.x, now.y - before.y);
    this.#down.set(pointerId, now);
    if (this.#travelled <= STILL) return null;
    const other = [...this.#down].find(([id]) => id !== pointerId)?.[1];
    const [dx, dy] = [now.x - before.x, now.y - before.y];
    if (!other) return { dx, dy, by: 1, at: { x: 0, y: 0 } };
    const apart = (a: { x: number; y: number }) =>
      Math.max(1, Math.hypot(a.x - other.x, a.y - other.y));
    const at = { x: (now.x + other.x) / 2 - from.left, y: (now.y + other.y) / 2 - from.top };
    return { dx: dx / 2, dy: dy / 2, by: apart(now) / apart(before), at };
  }
}
