// The cells of the matrix as they are drawn. Scrolling asks for the same cells again and again, and once a
// second all of them are looked at anew: what would be drawn as before stays the same object, so that the
// page has nothing to do for it.
import type { Fleet } from '../feed/fold.ts';
import { shown } from '../escape.ts';
import { href } from '../route.ts';
import { letter, short } from './builds.ts';
import { cellOf, type Cell, type CellState, type ModelRow, type Place } from './matrix.ts';

export interface Drawn {
  key: string;
  column: number;
  state: CellState;
  build: number | null;
  link: string;
  title: string;
}

/** As many cells are kept; a screen has about a thousand. */
const MOST = 20_000;

export class Drawing {
  #now = new Map<string, Drawn | null>();
  #before = new Map<string, Drawn | null>();

  /** Anything may have changed. */
  renew(): void {
    this.#before = this.#now;
    this.#now = new Map();
  }

  cell(fleet: Fleet, row: ModelRow, place: Place, column: number): Drawn | null {
    const key = `${row.name}\n${place.key}`;
    const known = this.#now.get(key);
    if (known !== undefined) return known;
    if (this.#now.size >= MOST) this.renew();
    const cell = cellOf(fleet, row, place);
    const made = cell && draw(row, place, column, cell);
    const old = this.#before.get(key);
    const kept = made && old && same(old, made) ? old : made;
    this.#now.set(key, kept);
    return kept;
  }
}

const same = (a: Drawn, b: Drawn): boolean =>
  a.column === b.column &&
  a.state === b.state &&
  a.build === b.build &&
  a.title === b.title &&
  a.link === b.link;

function draw(row: ModelRow, place: Place, column: number, cell: Cell): Drawn {
  const { state, build, service } = cell;
  return {
    key: place.key,
    column,
    state,
    build,
    link: href('services', service),
    title: words(row, place, cell),
  };
}

function words(row: ModelRow, place: Place, cell: Cell): string {
  const said = cell.spots.map((spot) => {
    const why = place.heard ? 'down' : place.status;
    const state = spot.state === 'unknown' ? `not known, as it is ${why}` : spot.state;
    const build = spot.build === null || spot.build < 0 ? null : row.known?.builds[spot.build];
    const digest = build?.digest ? `, digest ${letter(spot.build!)} ${short(build.digest)}` : '';
    const which = cell.spots.length > 1 ? ` (${shown(spot.service)})` : '';
    return `${state}${digest}${which}`;
  });
  return `${shown(row.name)} on ${shown(place.title)}: ${said.join('; ')}`;
}
