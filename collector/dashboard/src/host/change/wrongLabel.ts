// Which field of which label is at fault, so that it can be marked and gets the focus.
import type { Label } from './edit.ts';

export interface WrongLabel {
  row: number;
  part: 'key' | 'value';
}

const MOST_BYTES = 256;
const isLong = (text: string): boolean => new TextEncoder().encode(text.trim()).length > MOST_BYTES;

/** The first at fault; where nothing is wrong that can be seen here, the key of the first. */
export function wrongLabelOf(labels: readonly Label[]): WrongLabel {
  const keys = labels.map(({ key }) => key.trim());
  for (const [row, key] of keys.entries()) {
    const value = labels[row]!.value;
    const isLacking = key === '' && value.trim() !== '';
    const isRepeated = key !== '' && keys.indexOf(key) < row;
    if (isLacking || isRepeated || isLong(key)) return { row, part: 'key' };
    if (isLong(value)) return { row, part: 'value' };
  }
  return { row: 0, part: 'key' };
}
