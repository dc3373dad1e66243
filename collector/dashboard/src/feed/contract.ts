// The collector's words and shapes. They are derived from its own description, docs/openapi.json, by
// `npm run types`; what stands here is which of them this page uses, and what the live feed in its
// summary view (`api/v1/live?view=summary`) makes of those that have two views.
import type * as Api from '../generated/openapi.d.ts';

export type {
  Address,
  Alert,
  AlertRule,
  AlertSubjectKind,
  Catalog,
  CatalogEntries,
  CatalogFault,
  CatalogList,
  CatalogRejected,
  CatalogReloaded,
  ChangeType,
  Disk,
  DiskUse,
  Events,
  Finding,
  FindingCode,
  GpuProcess,
  Graph,
  GraphLink,
  GraphNode,
  HistoryState,
  HostPatch,
  HostSample,
  HostStatus,
  HostSummary,
  Lease,
  ListedAlert,
  ListedModel,
  MissingReason,
  Model,
  ModelVariant,
  NetworkInterface,
  NoneUsable,
  OpenSession,
  Picked,
  Reachable,
  ReadinessReport,
  RejectedService,
  Resources,
  Role,
  SamplesTable,
  ServiceDeclaration,
  ServiceForm,
  ServicePatch,
  ServiceSample,
  ServiceState,
  ServiceStatus,
  ServiceSummary,
  ServiceType,
  Session,
  Severity,
  Silence,
  SilenceForm,
  SilenceMatcher,
  Skill,
  SkillFile,
  SkillForm,
  SkillList,
  Stats,
  StatusChange,
  StoreState,
  System,
  Temperature,
} from '../generated/openapi.d.ts';

/** A GPU as samples bring it. */
export type Gpu = Api.GpuShort;
/** A GPU in the full view. */
export type FullGpu = Api.Gpu;
/** A host in the full view, as `GET api/v1/hosts/{id}` answers. */
export type HostDetail = Api.Host;
/** A service in the full view. */
export type ServiceDetail = Api.Service;
export type FleetModel = Api.FleetModel;
export type Counts = Api.Counts;
export type Missing = Api.Resources['missing'];

export interface Snapshot extends Omit<Api.Snapshot, 'hosts' | 'services'> {
  type: 'snapshot';
  hosts: Api.HostSummary[];
  services: Api.ServiceSummary[];
}

/** What happened, as `entity.verb`, and its whole entity after it. */
export interface Change {
  epoch: string;
  seq: number;
  at: string;
  type: string;
  host_id: string | null;
  service_id: string | null;
  model?: string | null;
  cause?: string | null;
  data: unknown;
}

export interface ChangeFrame {
  type: 'change';
  change: Change;
}

export interface Samples {
  type: 'samples';
  seq: number;
  samples: Api.HostSample[];
  services: Api.ServiceSample[];
}

export interface FleetFrame extends Omit<Api.FleetFrame, 'type'> {
  type: 'fleet';
}

export type Frame = Snapshot | ChangeFrame | Samples | FleetFrame;

export type Watch = Pick<Api.ViewerMessage, 'type' | 'hosts' | 'services' | 'samples_per_second'>;

/** The most hosts, and the most services, that one watch may name. */
export const WATCH_LIMIT = 500;
