// The table's columns, in order; their widths lie in the table's grid.
import type { SortKey } from './order.ts';

export const COLUMNS: readonly { key: SortKey; title: string }[] = [
  { key: 'status', title: 'Status' },
  { key: 'name', title: 'Host' },
  { key: 'finding', title: 'Finding' },
  { key: 'cpu', title: 'CPU' },
  { key: 'memory', title: 'RAM' },
  { key: 'vram', title: 'VRAM' },
  { key: 'gpu', title: 'GPUs' },
  { key: 'services', title: 'Model servers' },
  { key: 'models', title: 'Models' },
  { key: 'seen', title: 'Last seen' },
];
