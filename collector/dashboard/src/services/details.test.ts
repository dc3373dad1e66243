import { expect, it } from 'vitest';
import { ApiError } from '../feed/api.ts';
import type { ServiceDetail } from '../feed/contract.ts';
import { Details } from './details.svelte.ts';

/** Answers when told to, and remembers what it was asked. */
function desk() {
  const asked: string[] = [];
  const open = new Map<string, (answer: ServiceDetail | Error) => void>();
  const details = new Details((id) => {
    asked.push(id);
    return new Promise((resolve, reject) => {
      open.set(id, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
    });
  });
  const answer = async (id: string, what: ServiceDetail | Error = { id } as ServiceDetail) => {
    open.get(id)!(what);
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { details, asked, answer };
}

it('asks for what is looked at, a few at once, and each once', async () => {
  const { details, asked, answer } = desk();
  details.want(['a', 'b', 'c', 'd', 'e']);
  expect(asked).toEqual(['a', 'b', 'c', 'd']);
  await answer('a');
  expect(asked).toEqual(['a', 'b', 'c', 'd', 'e']);
  details.want(['a', 'b']);
  expect(asked).toHaveLength(5);
  expect(details.get('a')).toEqual({ id: 'a' });
});

it('asks again what has changed, and keeps the old answer until then', async () => {
  const { details, asked, answer } = desk();
  details.want(['a']);
  await answer('a');
  details.changed('a');
  expect(asked).toEqual(['a', 'a']);
  expect(details.get('a')).not.toBeNull();
  details.changed('not looked at');
  expect(asked).toHaveLength(2);
});

it('asks once more what changed while it was asked', async () => {
  const { details, asked, answer } = desk();
  details.want(['a']);
  details.changed('a');
  await answer('a');
  expect(asked).toEqual(['a', 'a']);
});

it('remembers nothing of what nobody looked at, nor of what is gone', async () => {
  const { details, asked, answer } = desk();
  details.changed('a');
  details.put({ id: 'a' } as ServiceDetail);
  details.changed('a');
  details.gone('a');
  expect(details.get('a')).toBeNull();
  details.put({ id: 'a' } as ServiceDetail);
  details.want(['a']);
  expect(asked).toEqual([]);
  details.want(['b']);
  await answer('b', new ApiError(404, 'no such service'));
  details.want([]);
  details.want(['b']);
  expect(asked).toEqual(['b', 'b']);
});

it('does not ask for ever for what is gone', async () => {
  const { details, asked, answer } = desk();
  details.want(['a']);
  await answer('a', new ApiError(404, 'no such service'));
  details.want(['a']);
  expect(asked).toEqual(['a']);
  expect(details.error).toBeNull();
  details.changed('a');
  expect(asked).toEqual(['a', 'a']);
});

it('says why there is no answer, and pauses before it asks again', async () => {
  const { details, asked, answer } = desk();
  details.want(['a']);
  await answer('a', new ApiError(503, 'not now'));
  expect(details.error).toBe('not now');
  details.want(['a']);
  expect(asked).toEqual(['a']);
  details.end();
});
