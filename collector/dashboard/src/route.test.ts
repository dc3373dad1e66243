import { expect, it } from 'vitest';
import { href, parse, withQuery } from './route.ts';

it.each([
  ['', { view: 'hosts', id: null, query: {} }],
  ['#/', { view: 'hosts', id: null, query: {} }],
  ['#/hosts', { view: 'hosts', id: null, query: {} }],
  ['#/nonsense/x', { view: 'hosts', id: null, query: {} }],
  ['#/hosts/0199%7E2', { view: 'hosts', id: '0199~2', query: {} }],
  ['#/hosts/%E0%A4%A', { view: 'hosts', id: null, query: {} }],
  ['#/services/gpu-1%3A11434', { view: 'services', id: 'gpu-1:11434', query: {} }],
  ['#/hosts?q=a+b&status=stale', { view: 'hosts', id: null, query: { q: 'a b', status: 'stale' } }],
  ['#/hosts?q=a?b', { view: 'hosts', id: null, query: { q: 'a?b' } }],
  [`#/hosts?q=${'x'.repeat(501)}`, { view: 'hosts', id: null, query: {} }],
])('reads %s', (hash, route) => {
  expect(parse(hash)).toEqual(route);
});

it('writes what it reads, whatever the id', () => {
  for (const id of ['a/b', 'http://[::1]:1/x?y#z', 'ü 100%', '..']) {
    expect(parse(href('services', id, { q: 'a&b=c#d' }))).toEqual({
      view: 'services',
      id,
      query: { q: 'a&b=c#d' },
    });
  }
});

it('changes one filter and keeps the others', () => {
  const route = parse('#/hosts?status=stale&q=gpu');
  expect(withQuery(route, { q: 'h200' })).toBe('#/hosts?status=stale&q=h200');
  expect(withQuery(route, { status: '' })).toBe('#/hosts?q=gpu');
});
