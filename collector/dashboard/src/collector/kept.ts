// The readings of this page. They stay when the reader looks at another view and comes back.
import { Readings } from './readings.ts';

export const kept = new Readings();
