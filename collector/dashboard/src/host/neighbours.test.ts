import { expect, it } from 'vitest';
import { aHost } from '../feed/examples.ts';
import { neighboursOf } from './neighbours.ts';

const hosts = new Map(
  ['gpu-10', 'gpu-2', 'gpu-1', 'gpu-3'].map((name) => [name, aHost(name)] as const),
);
const around = (id: string) => {
  const { before, after } = neighboursOf(hosts, id);
  return [before?.name ?? null, after?.name ?? null];
};

it('finds the hosts beside one, as people count', () => {
  expect(around('gpu-3')).toEqual(['gpu-2', 'gpu-10']);
  expect(around('gpu-1')).toEqual([null, 'gpu-2']);
  expect(around('gpu-10')).toEqual(['gpu-3', null]);
  expect(around('nobody')).toEqual([null, null]);
});

it('tells hosts of one name apart', () => {
  const twins = new Map(['a', 'b'].map((id) => [id, aHost(id, { name: 'same' })] as const));
  expect(neighboursOf(twins, 'a').after?.id).toBe('b');
  expect(neighboursOf(twins, 'b').before?.id).toBe('a');
});
