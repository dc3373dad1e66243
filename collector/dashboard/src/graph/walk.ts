// The arrow keys in the picture: up and down within a column, left and right along links.
import type { Box, Layout } from './layout.ts';
import type { Neighbours } from './topology.ts';

export type Step = 'up' | 'down' | 'left' | 'right';

export function stepped(id: string, step: Step, layout: Layout, of: Neighbours): string {
  const column = layout.columns.find((ids) => ids.includes(id)) ?? [];
  const at = column.indexOf(id);
  if (step === 'up') return column[at - 1] ?? id;
  if (step === 'down') return column[at + 1] ?? id;
  const near = (step === 'left' ? of.before : of.after).get(id) ?? [];
  const own = layout.boxes.get(id);
  return own ? (nearest(own, near, layout) ?? id) : id;
}

function nearest(to: Box, ids: readonly string[], layout: Layout): string | null {
  let [best, least]: [string | null, number] = [null, Infinity];
  for (const id of ids) {
    const box = layout.boxes.get(id);
    const away = box ? Math.abs(box.y - to.y) : Infinity;
    if (away < least) [best, least] = [id, away];
  }
  return best;
}
