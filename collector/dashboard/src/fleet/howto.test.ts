import { expect, it } from 'vitest';
import { howTo } from './howto.ts';

it('says nothing of the usual port', () => {
  expect(howTo('http://127.0.0.1:6121/#/hosts')).toEqual({
    agent: 'herdbook-agent',
    tunnel: 'ssh -N -R 6121:127.0.0.1:6121 gpu-2',
  });
});

it('names another port, on both sides of the tunnel', () => {
  expect(howTo('http://localhost:6400/')).toEqual({
    agent: 'herdbook-agent --collector http://127.0.0.1:6400',
    tunnel: 'ssh -N -R 6400:127.0.0.1:6400 gpu-2',
  });
});

it('does not take the proxy for the collector', () => {
  expect(howTo('https://lab.example/herd/').agent).toBe('herdbook-agent');
});
