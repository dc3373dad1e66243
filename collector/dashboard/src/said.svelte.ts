// What came of something that the reader did, said once and for a while: `say('Drained gpu-1')`.
import { wordsOf } from './feed/api.ts';

export interface Saying {
  id: number;
  tone: 'good' | 'bad';
  text: string;
}

const STAYS_MS = { good: 5000, bad: 12_000 };
const MOST = 4;

let next = 0;
export const sayings = $state<Saying[]>([]);

export function say(text: string, tone: Saying['tone'] = 'good'): void {
  const id = next++;
  sayings.push({ id, tone, text });
  if (sayings.length > MOST) sayings.shift();
  setTimeout(() => unsay(id), STAYS_MS[tone]);
}

export function unsay(id: number): void {
  const index = sayings.findIndex((one) => one.id === id);
  if (index >= 0) sayings.splice(index, 1);
}

/** Does it, and says what came of it. True when it was done. */
export async function attempt(done: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    say(done);
    return true;
  } catch (error) {
    say(wordsOf(error), 'bad');
    return false;
  }
}
