// What the browser tells of a page that works: frames, the main thread's time, memory, sizes.
import { gzipSync } from 'node:zlib';
import { readFile } from 'node:fs/promises';

/** Notes when the first row of a host was painted, in ms since the navigation began. */
export async function noteFirstRow(page) {
  await page.addInitScript(() => {
    window.firstRow_ms = null;
    const look = () => {
      if (!document.querySelector('[role=row] .name a')) return requestAnimationFrame(look);
      // What is in the document now is painted by the end of this frame.
      requestAnimationFrame(() => (window.firstRow_ms = performance.now()));
    };
    requestAnimationFrame(look);
  });
}

export class Meter {
  #wall;
  #cpu;

  /** Two sessions, since each tells its figures in one kind of time. */
  static async of(page) {
    const meter = new Meter();
    meter.#wall = await page.context().newCDPSession(page);
    meter.#cpu = await page.context().newCDPSession(page);
    await meter.#wall.send('Performance.enable', { timeDomain: 'timeTicks' });
    await meter.#cpu.send('Performance.enable', { timeDomain: 'threadTicks' });
    return meter;
  }

  /** The share of `work`'s time in which the main thread had something to do, percent. */
  async busy(work) {
    const before = await this.#read();
    const result = await work();
    const after = await this.#read();
    const wall_s = (after.at_ms - before.at_ms) / 1000;
    const share = (name) => (100 * (after[name] - before[name])) / wall_s;
    return { result, busy_percent: share('wall_s'), busy_cpu_percent: share('cpu_s') };
  }

  /** What the main thread has worked since this began to look, in ms of its own time. */
  async worked_ms() {
    return 1000 * (await this.#read()).cpu_s;
  }

  async #read() {
    const [wall, cpu] = await Promise.all([
      this.#wall.send('Performance.getMetrics'),
      this.#cpu.send('Performance.getMetrics'),
    ]);
    const tasks = ({ metrics }) => metrics.find(({ name }) => name === 'TaskDuration').value;
    return { at_ms: performance.now(), wall_s: tasks(wall), cpu_s: tasks(cpu) };
  }

  /** Bytes in use after a collection: objects of the page, buffers, and the browser's own for it. */
  async heap_bytes() {
    await this.#wall.send('HeapProfiler.collectGarbage');
    const usage = await this.#wall.send('Runtime.getHeapUsage');
    return usage.usedSize + (usage.backingStorageSize ?? 0) + (usage.embedderHeapUsedSize ?? 0);
  }
}

/** Milliseconds between the page's frames until `work` is done. */
export async function framesWhile(page, work) {
  await page.evaluate(() => {
    const frames = { deltas: [], goesOn: true };
    window.frames_ms = frames;
    let before = null;
    const step = (now) => {
      if (before !== null) frames.deltas.push(now - before);
      before = now;
      if (frames.goesOn) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  await work();
  return page.evaluate(() => {
    window.frames_ms.goesOn = false;
    return window.frames_ms.deltas;
  });
}

/** Scrolls the middle of the page down and up again for a time, as a finger does. */
export async function scroll(page, seconds, px_per_s) {
  const session = await page.context().newCDPSession(page);
  const { width, height } = page.viewportSize();
  for (const direction of [-1, 1]) {
    await session.send('Input.synthesizeScrollGesture', {
      x: Math.floor(width / 2),
      y: Math.floor(height / 2),
      yDistance: Math.round((direction * px_per_s * seconds) / 2),
      speed: px_per_s,
      preventFling: true,
    });
  }
  await session.detach();
}

/** Of the frames that the display would have shown, those that never came, percent. */
export function dropped(deltas, interval_ms) {
  const due = deltas.map((delta) => Math.max(1, Math.round(delta / interval_ms)));
  const n_due = due.reduce((sum, n) => sum + n, 0);
  return n_due === 0 ? null : (100 * (n_due - deltas.length)) / n_due;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? null : sorted[Math.floor(sorted.length / 2)];
}

/** How much a straight line through the points rises from the first to the last. */
export function rise(points) {
  const n = points.length;
  if (n < 3) return 0;
  const mean = (at) => points.reduce((sum, point) => sum + point[at], 0) / n;
  const [x, y] = [mean(0), mean(1)];
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  const under = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
  return (over / under) * (points[n - 1][0] - points[0][0]);
}

/** Compressed bytes of the scripts that the first view loads: those of the document, and what they import. */
export async function firstViewBytes(dist) {
  const html = await readFile(new URL('index.html', dist), 'utf8');
  const wanted = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+\.js)"/g)].map(
    ([, path]) => path,
  );
  const sizes = new Map();
  while (wanted.length > 0) {
    const path = wanted.pop();
    if (sizes.has(path)) continue;
    const text = await readFile(new URL(path, dist), 'utf8');
    sizes.set(path, gzipSync(text, { level: 9 }).length);
    for (const [, name] of text.matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) {
      wanted.push(`assets/${name}`);
    }
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
