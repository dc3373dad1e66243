// A model on each service that has it, warm ones first.
import type { Model, ServiceDetail } from '../feed/contract.ts';
import type { Fleet } from '../feed/fold.ts';
import { isHeard } from '../feed/live.ts';
import { natural } from '../fleet/table/order.ts';
import type { Build } from './builds.ts';

export interface ModelPlace {
  service: ServiceDetail;
  model: Model;
  title: string;
  host_id: string | null;
  /** What it does now is known. */
  known: boolean;
  warm: boolean;
  /** Which of the builds; −1: no digest was told. */
  build: number;
}

export function placesOf(
  fleet: Fleet,
  name: string,
  services: readonly ServiceDetail[],
  builds: readonly Build[],
): ModelPlace[] {
  const found = services.flatMap((service) => {
    // The register may have answered for `name:latest`.
    const model = service.models.find((one) => one.name === name);
    if (!model) return [];
    const now = fleet.services.get(service.id);
    const host = service.host_id === null ? undefined : fleet.hosts.get(service.host_id);
    const heard = service.host_id === null || (host !== undefined && isHeard(host.status));
    const status = now?.status ?? service.status;
    const place: ModelPlace = {
      service,
      model,
      title: host?.name ?? service.host_id ?? service.name,
      host_id: service.host_id,
      known: heard && status !== 'unknown' && status !== 'down',
      warm: now ? now.warm.includes(name) : model.warm === true,
      build:
        model.digest === null ? -1 : builds.findIndex((build) => build.digest === model.digest),
    };
    return [{ place, key: `${place.warm ? 0 : 1}${natural(place.title)}\n${service.id}` }];
  });
  return found.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ place }) => place);
}
