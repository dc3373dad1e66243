import { expect, it } from 'vitest';
import { aChange, aHost, aService, aSnapshot } from '../feed/examples.ts';
import { fold, start } from '../feed/fold.ts';
import { drawnOf } from './facts.ts';

it('tells another drawing from the same one', () => {
  const service = aService('s', { host_id: 'h', state: 'idle', warm: [] });
  const fleet = start(aSnapshot({ seq: 0, hosts: [aHost('h')], services: [service] }));
  const before = drawnOf(fleet);
  const said = (type: string, over: object) =>
    fold(fleet, aChange(fleet.seq + 1, type, { service_id: 's', ...over }));
  said('service.state', { data: { ...service, state: 'busy' } });
  expect(drawnOf(fleet)).toBe(before);
  said('model.loaded', { model: 'm' });
  const warm = drawnOf(fleet);
  expect(warm).not.toBe(before);
  said('service.down', { data: { ...service, status: 'down', warm: ['m'] } });
  expect(drawnOf(fleet)).not.toBe(warm);
});
