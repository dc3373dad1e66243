// What uPlot is told of a chart. Colours are resolved ones: a canvas knows no custom properties.
import type uPlot from 'uplot';
import type { Chart, Line } from './charts.ts';
import { isSummed, type Series, type Values } from './series.ts';
import { onAxis, steps } from './units.ts';

const AXIS_WIDTH = 58;
const AXIS_HEIGHT = 24;
const FONT = '11px Inter, system-ui, sans-serif';
/** With more lines than this a chart shows means alone. */
const PEAKED_MOST = 2;

type Colour = (tone: string) => string;

export interface Plotted {
  chart: Chart;
  /** Lines whose greatest value in each row is drawn too. */
  peaked: Line[];
  data: uPlot.AlignedData;
}

export function plotted(chart: Chart, series: Series): Plotted {
  const values = (column: string): Values => series.columns.get(column) ?? blank(series);
  const hasPeak = (line: Line) => series.columns.has(`${line.column}_max`);
  const peaked =
    isSummed(series) && chart.lines.length <= PEAKED_MOST ? chart.lines.filter(hasPeak) : [];
  const columns = [
    series.at,
    ...chart.lines.map((line) => values(line.column)),
    ...peaked.map((line) => values(`${line.column}_max`)),
  ];
  return { chart, peaked, data: columns as unknown as uPlot.AlignedData };
}

const blank = (series: Series): Values => new Array<null>(series.at.length).fill(null);

export interface Surroundings {
  width: number;
  height: number;
  colour: Colour;
  /** All charts with this key share their cursor. */
  syncKey: string;
  range: () => [number, number];
  hover: (row: number | null) => void;
}

export function options({ chart, peaked }: Plotted, around: Surroundings): uPlot.Options {
  const { colour } = around;
  return {
    width: around.width,
    height: around.height,
    padding: [6, 16, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      points: { size: 6 },
      drag: { x: false, y: false, setScale: false },
      sync: { key: around.syncKey, setSeries: false, scales: ['x', null] },
    },
    hooks: { setCursor: [(plot) => around.hover(plot.cursor.idx ?? null)] },
    scales: { x: { time: true, range: around.range }, y: { range: scale(chart) } },
    axes: [timeAxis(colour), valueAxis(chart, colour)],
    series: [
      {},
      ...chart.lines.map((line) => lineOf(line, colour, chart.lines.length)),
      ...peaked.map((line) => peakOf(line, colour)),
    ],
    bands: peaked.map((line, i) => ({
      series: [1 + chart.lines.length + i, 1 + chart.lines.indexOf(line)],
      fill: faded(colour(line.tone), 0.16),
    })),
  };
}

function scale(chart: Chart): uPlot.Range.Function {
  return (_, low, high) => {
    const floor = Math.min(chart.floor ?? 0, low ?? 0);
    if (chart.top) return [0, Math.max(chart.top, high ?? 0)];
    return [chart.floor === undefined ? 0 : floor, Math.max(chart.least ?? 1, (high ?? 0) * 1.05)];
  };
}

function lineOf(line: Line, colour: Colour, n_lines: number): uPlot.Series {
  const stroke = colour(line.tone);
  return {
    label: line.title,
    stroke,
    width: n_lines > PEAKED_MOST ? 1.25 : 1.5,
    spanGaps: false,
    ...(line.dashed ? { dash: [5, 4] } : {}),
    ...(n_lines === 1 ? { fill: faded(stroke, 0.08) } : {}),
    points: { show: false, size: 3, fill: stroke, filter: alone },
  };
}

function peakOf(line: Line, colour: Colour): uPlot.Series {
  return {
    label: `${line.title}, peak`,
    stroke: faded(colour(line.tone), 0.35),
    width: 1,
    spanGaps: false,
    points: { show: false },
  };
}

/** A row between two gaps makes no line: it is drawn as a point. */
const alone: uPlot.Series.Points.Filter = (plot, i) => {
  const values = plot.data[i]!;
  const at: number[] = [];
  for (let row = 0; row < values.length; row++) {
    if (values[row] == null) continue;
    if (values[row - 1] == null && values[row + 1] == null) at.push(row);
  }
  return at.length > 0 ? at : null;
};

/** `rgb(1, 2, 3)`, as browsers write a resolved colour, and how much of it. */
export const faded = (colour: string, alpha: number): string =>
  colour.replace(/^rgba?\(([^,]+,[^,]+,[^,)]+).*$/, `rgba($1, ${alpha})`);

function timeAxis(colour: Colour): uPlot.Axis {
  return {
    stroke: colour('text-faint'),
    font: FONT,
    ticks: { show: false },
    grid: { show: false },
    size: AXIS_HEIGHT,
    space: 64,
    values: (_, at_s) => at_s.map((at) => clock(at, fine(at_s))),
  };
}

/** Ticks less than a minute apart are told apart by their seconds. */
const fine = (at_s: number[]): boolean => at_s.length > 1 && at_s[1]! - at_s[0]! < 60;

/** The time of day, to the second where that is needed, and the day where one begins. */
export function clock(at_s: number, seconds = false): string {
  const at = new Date(at_s * 1000);
  if (at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0) {
    return at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  }
  return at.toLocaleTimeString('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    ...(seconds ? { second: '2-digit' } : {}),
  });
}

function valueAxis(chart: Chart, colour: Colour): uPlot.Axis {
  const incrs = steps(chart.unit);
  return {
    stroke: colour('text-faint'),
    font: FONT,
    ticks: { show: false },
    grid: { stroke: colour('line'), width: 1 },
    size: AXIS_WIDTH,
    space: 34,
    ...(incrs ? { incrs } : {}),
    values: (_, values) => values.map((value) => onAxis(chart.unit, value)),
  };
}
