// How the values of a chart are written, beside it and on its axis.
import { bytes, celsius, DASH, percent, rate } from '../../format.ts';

export type Unit =
  'percent' | 'share' | 'bytes' | 'rate' | 'celsius' | 'watts' | 'megahertz' | 'plain' | 'ms';

type Known = number | null;

const fine = (value: number): string => (value < 10 ? value.toFixed(1) : `${Math.round(value)}`);
const with_ =
  (unit: string, digits: (value: number) => string) =>
  (value: Known): string =>
    value === null ? DASH : `${digits(value)}${unit}`;
const whole = (value: number): string => `${Math.round(value)}`;

const WRITTEN: Record<Unit, (value: Known) => string> = {
  percent,
  share: with_(' %', fine),
  bytes,
  rate,
  celsius,
  watts: with_(' W', whole),
  megahertz: with_(' MHz', whole),
  plain: with_('', (value) => (value < 100 ? value.toFixed(2) : whole(value))),
  ms: with_(' ms', fine),
};

export const written = (unit: Unit, value: Known): string => WRITTEN[unit](value);

/** On an axis values are round, so there are no digits to spare. */
const ON_AXIS: Partial<Record<Unit, (value: number) => string>> = {
  share: (value) => `${Number(value.toFixed(1))} %`,
  plain: (value) => `${Number(value.toFixed(2))}`,
  ms: (value) => `${Number(value.toFixed(1))} ms`,
};

export const onAxis = (unit: Unit, value: number): string =>
  ON_AXIS[unit]?.(value) ?? written(unit, value);

/** Steps of an axis of bytes, so that it reads 256 GiB and not 238.4. */
const POWERS_OF_2 = Array.from({ length: 60 }, (_, i) => 2 ** i);

export const steps = (unit: Unit): number[] | undefined =>
  unit === 'bytes' || unit === 'rate' ? POWERS_OF_2 : undefined;
