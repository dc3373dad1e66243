// The views that are loaded when somebody goes there, so that the fleet shows as early as it can.
import type { Component } from 'svelte';
import type { FleetView } from './fleet.svelte.ts';
import type { View } from './route.ts';
import type { Router } from './router.svelte.ts';

export interface PageProps {
  view: FleetView;
  router: Router;
}

export type Loading = () => Promise<{ default: Component<PageProps> }>;

/** `hosts` is one host here; the fleet itself is no view that is loaded later. */
export const LATER: Record<View, Loading> = {
  hosts: () => import('./host/HostPage.svelte'),
  models: () => import('./models/ModelsPage.svelte'),
  services: () => import('./services/ServicesPage.svelte'),
  events: () => import('./events/EventsPage.svelte'),
  alerts: () => import('./alerts/AlertsPage.svelte'),
  graph: () => import('./graph/GraphPage.svelte'),
  skills: () => import('./skills/SkillsPage.svelte'),
  access: () => import('./access/AccessPage.svelte'),
  collector: () => import('./collector/CollectorPage.svelte'),
};
