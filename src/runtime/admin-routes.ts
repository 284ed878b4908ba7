// All paths of the admin API, put together: each topic's from its own file.

import type { AlertActor } from '../admin/alert-routes.ts'
import { alertRoutes } from '../admin/alert-routes.ts'
import type { Explainer } from '../admin/explain-routes.ts'
import { explainRoutes } from '../admin/explain-routes.ts'
import { eventRoutes } from '../admin/event-routes.ts'
import type { EventStream } from '../admin/event-stream.ts'
import type { BackendChanger } from '../admin/backend-routes.ts'
import { backendRoutes } from '../admin/backend-routes.ts'
import type { Actor } from '../admin/failover-routes.ts'
import { failoverRoutes } from '../admin/failover-routes.ts'
import type { HandOver } from '../admin/handover-routes.ts'
import { handoverRoutes } from '../admin/handover-routes.ts'
import type { LedgerSource } from '../admin/ledger-routes.ts'
import { ledgerRoutes } from '../admin/ledger-routes.ts'
import { openApiRoute } from '../admin/openapi.ts'
import { pageRoutes } from '../admin/page-routes.ts'
import { poolRoutes } from '../admin/pool-routes.ts'
import type { ProcessSource } from '../admin/process-routes.ts'
import { processRoutes } from '../admin/process-routes.ts'
import type { ReloadActor } from '../admin/reload-routes.ts'
import { configRoutes } from '../admin/config-routes.ts'
import { reloadRoutes } from '../admin/reload-routes.ts'
import type { Route } from '../admin/route.ts'
import type { TraceSource } from '../admin/trace-routes.ts'
import { traceRoutes } from '../admin/trace-routes.ts'
import type { Upgrade } from '../admin/upgrade-routes.ts'
import { upgradeRoutes } from '../admin/upgrade-routes.ts'
import type { WhySource } from '../admin/why-routes.ts'
import { whyRoutes } from '../admin/why-routes.ts'
import type { Plan } from '../core/plan.ts'
import type { PoolStatus } from '../core/status.ts'
import { configView } from './config-view.ts'

/** What the API tells about, and who acts on what it is told. */
export interface AdminSource extends ProcessSource, Actor, WhySource {
  pools(): readonly PoolStatus[]
  /** Gives the virtual IP address to another node; `null` where there is none. */
  readonly handOver: HandOver | null
  readonly explain: Explainer
  /** `null`: switched off. */
  readonly ledger: LedgerSource | null
  readonly stream: EventStream
  /** Exchanges that are kept. */
  readonly traces: TraceSource
  /** Changes backends while it runs. */
  readonly overrides: BackendChanger
  /** Has a new process take over from this one. */
  readonly upgrade: Upgrade
  /** Gives the process another configuration. */
  readonly reload: ReloadActor
  /** What is configured, before anything was discovered or overridden. */
  configured(): Plan
  /** Tells people when something is wrong. */
  readonly alerts: AlertActor
}

/** All paths, the document that describes them included. */
export function adminRoutes(source: AdminSource): readonly Route[] {
  const routes = [
    ...processRoutes(source),
    ...poolRoutes(() => source.pools()),
    ...explainRoutes((question) => source.explain(question)),
    ...failoverRoutes(source),
    ...backendRoutes(source.overrides),
    ...whyRoutes(source),
    ...traceRoutes(
      () => source.traces,
      () => source.pools().map(({ name }) => name),
    ),
    ...handoverRoutes(source.handOver),
    ...ledgerRoutes({ source: () => source.ledger, wallMs: () => Date.now() }),
    ...configRoutes(() => ({
      etag: source.reload.status.etag,
      config: configView(source.configured()),
    })),
    ...reloadRoutes(source.reload),
    ...eventRoutes(source.stream),
    ...upgradeRoutes(source.upgrade),
    ...pageRoutes(),
    ...alertRoutes(source.alerts),
  ]
  return [...routes, openApiRoute(routes)]
}

/** The paths without a balancer behind them, for their description: none may be asked. */
export function describedRoutes(): readonly Route[] {
  const nobody: unknown = new Proxy(() => nobody, { get: () => nobody })
  return adminRoutes(nobody as AdminSource)
}
