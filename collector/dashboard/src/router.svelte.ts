// Where the page is, as Svelte can watch it. The address is the only place where that is kept.
import { parse, withQuery, type Query, type Route } from './route.ts';

export class Router {
  route = $state.raw<Route>(parse(location.hash));

  constructor() {
    window.addEventListener('hashchange', () => this.#read());
  }

  /** Leads somewhere else; the way back is kept. */
  go(to: string): void {
    location.hash = to;
  }

  /** Sets filters of the view that is shown. Typing makes no steps to go back through. */
  filter(over: Query): void {
    history.replaceState(history.state, '', withQuery(this.route, over));
    this.#read();
  }

  #read(): void {
    this.route = parse(location.hash);
  }
}
