import { expect, it } from 'vitest';
import { hostRoute, parse } from './route.ts';

it.each(['0199f3', 'a/b', 'x~2', 'ü %', '#?'])('comes back from the route of %s', (id) => {
  expect(parse(hostRoute(id))).toEqual({ hostId: id });
});

it.each(['', '#', '#/hosts', '#/hosts/', '#/hosts/a/b', '#/models', '#/hosts/%E0%A4%A'])(
  'shows the table for %j',
  (hash) => {
    expect(parse(hash)).toEqual({ hostId: null });
  },
);
