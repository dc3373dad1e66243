import { expect, it } from 'vitest';
import { aHost, aModel, aService, aSnapshot } from '../feed/examples.ts';
import { start } from '../feed/fold.ts';
import { namesOfHost, tallyModels } from './models.ts';

const fleet = start(
  aSnapshot({
    hosts: [aHost('a', { warm: ['llama'] }), aHost('b', { warm: ['unlisted'] }), aHost('c')],
    services: [
      aService('a:1', { host_id: 'a', warm: ['llama'] }),
      aService('a:2', { host_id: 'a' }),
      aService('b:1', { host_id: 'b', warm: ['unlisted'] }),
      aService('remote', { warm: ['gpt'] }),
    ],
    fleet_models: [
      aModel('llama', { services: ['a:1', 'a:2', 'b:1'] }),
      aModel('qwen', { services: ['a:2'] }),
      aModel('gpt', { services: ['remote'] }),
    ],
  }),
);

it('counts hosts, not services', () => {
  expect(tallyModels(fleet)).toEqual([
    { name: 'llama', n_hosts: 2, n_warm: 1 },
    { name: 'gpt', n_hosts: 1, n_warm: 1 },
    { name: 'qwen', n_hosts: 1, n_warm: 0 },
    { name: 'unlisted', n_hosts: 1, n_warm: 1 },
  ]);
});

it('tells warm from cold on one host', () => {
  expect(namesOfHost(fleet, 'a')).toEqual({ warm: ['llama'], cold: ['qwen'] });
  expect(namesOfHost(fleet, 'b')).toEqual({ warm: ['unlisted'], cold: ['llama'] });
  expect(namesOfHost(fleet, 'c')).toEqual({ warm: [], cold: [] });
});
