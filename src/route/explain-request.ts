// What would become of a request now, from the listener to the backend, and why at each step. The
// matcher and the balancer that serve the traffic decide; this puts their reasons in order. Pure.

import type { PoolExplanation } from '../core/explain.ts'
import type { Fault } from '../core/fault.ts'
import { fault } from '../core/fault.ts'
import type { ListenerPlan, Plan, PoolPlan } from '../core/plan.ts'
import type { RoutePlan } from '../core/route-plan.ts'
import { isRepeatable } from '../core/retry.ts'
import { compileRoutes } from './compile.ts'
import { explainRoutes, type RouteVerdict } from './explain.ts'
import type { RouteRequest } from './match.ts'
import { redirectLocation, rewritePath } from './rewrite.ts'

/** The request to be explained. */
export interface ExplainQuestion {
  readonly method: string
  /** `https://host:port/path?query`, kept byte for byte; `null` for a TCP listener. */
  readonly url: string | null
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Where it comes in; `null`: where the URL's port points to, else the only one, else the first. */
  readonly listener: string | null
}

export interface Explanation {
  readonly listener: { readonly name: string; readonly reason: string }
  readonly request: { readonly method: string; readonly host: string; readonly path: string } | null
  /** Each route in turn; empty for a TCP listener. */
  readonly routes: readonly RouteVerdict[]
  /** `sent`, `queued`: by a backend. `answered`: by a route itself. `refused`: by us, with `fault`. */
  readonly outcome: 'sent' | 'queued' | 'answered' | 'refused'
  /** What the client gets from us; `null` where a backend says. */
  readonly status: number | null
  readonly fault: { readonly code: string; readonly sentence: string } | null
  /** One sentence. */
  readonly summary: string
  /** The path that the backend sees, if it is another. */
  readonly rewritten: string | null
  readonly pool: PoolExplanation | null
  /** What holds for it on its way: timeouts, retries. One line each. */
  readonly policy: readonly string[]
}

export type Explained =
  | { readonly ok: true; readonly explanation: Explanation }
  | { readonly ok: false; readonly message: string; readonly listeners: readonly string[] }

/** Says what a pool would do now with a request that may, or may not, arrive twice. */
type PoolExplainer = (pool: PoolPlan, repeatable: boolean) => PoolExplanation

/** @param explain asked for the pool that the request comes to, if it comes to one */
export function explainRequest(
  plan: Plan,
  question: ExplainQuestion,
  explain: PoolExplainer,
): Explained {
  const found = findListener(plan, question)
  if (typeof found === 'string') {
    return { ok: false, message: found, listeners: plan.listeners.map(({ name }) => name) }
  }
  const { listener, reason } = found
  const base = { listener: { name: listener.name, reason }, request: null, routes: [] }
  if (listener.protocol === 'tcp') {
    const pool = plan.pools[listener.pool]!
    return {
      ok: true,
      explanation: { ...base, rewritten: null, ...ofPool(pool, explain(pool, true), true) },
    }
  }
  const target = readUrl(question.url)
  if (target === null) return { ok: false, message: NO_URL, listeners: [] }
  const { method, headers } = question
  const sent = { method, path: target.path, host: headers['host'] ?? target.authority, headers }
  return { ok: true, explanation: { ...base, ...ofRoutes(plan, listener, sent, explain) } }
}

type Found = { readonly listener: ListenerPlan; readonly reason: string }

const NO_URL = 'a request needs a URL such as https://api.example.com/v1/users'

/** Kept as it is written: a URL parser would take dot segments and escapes out of the path. */
function readUrl(text: string | null): { authority: string; port: string; path: string } | null {
  const found = /^http(s?):\/\/([^/?#\s@]+)([^#\s]*)$/i.exec(text ?? '')
  if (found === null) return null
  const [, secure = '', authority = '', rest = ''] = found
  const port = /:(\d+)$/.exec(authority)?.[1] ?? (secure === '' ? '80' : '443')
  return { authority, port, path: rest.startsWith('/') ? rest : `/${rest}` }
}

function findListener({ listeners }: Plan, { listener, url }: ExplainQuestion): Found | string {
  if (listener !== null) {
    const named = listeners.find(({ name }) => name === listener)
    return named === undefined
      ? `there is no listener '${listener}'; there are ${listeners.map(({ name }) => name).join(', ')}`
      : { listener: named, reason: 'as asked for' }
  }
  const port = readUrl(url)?.port
  // Of whatever protocol: what comes in there meets no other listener.
  const byPort = listeners.find(
    ({ address }) => address.kind === 'tcp' && String(address.port) === port,
  )
  if (byPort !== undefined) return { listener: byPort, reason: `it listens on port ${port}` }
  const [first, ...others] = listeners.filter(({ protocol }) => protocol === 'http')
  if (first === undefined) return 'there is no http listener; name a tcp one'
  if (others.length === 0) return { listener: first, reason: 'the only http listener' }
  return { listener: first, reason: 'the first http listener; another one can be named' }
}

interface Sent {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

function ofRoutes(
  plan: Plan,
  listener: ListenerPlan,
  { method, host, path, headers }: Sent,
  explain: PoolExplainer,
): Omit<Explanation, 'listener'> {
  const header = (name: string): string | null => {
    if (name === 'host') return host
    // `constructor` may be the name of a header, and every object has one.
    return Object.hasOwn(headers, name) ? headers[name]! : null
  }
  const request: RouteRequest = { method, host, path, header }
  const { index, routes } = explainRoutes(compileRoutes(listener.routes), request)
  const base = { request: { method, host, path }, routes, rewritten: null }
  if (index < 0) return { ...base, ...refusal(fault('no-route'), 'no route matches'), policy: [] }
  const route = listener.routes[index]!
  const { action } = route
  if (action.kind === 'pool') {
    const pool = plan.pools[action.pool]!
    const rewritten = rewrittenPath(route, path)
    const repeatable = isRepeatable(request, pool.retry)
    return { ...base, rewritten, ...ofPool(pool, explain(pool, repeatable), false) }
  }
  const none = { outcome: 'answered', fault: null, pool: null, policy: [] } as const
  if (action.kind === 'redirect') {
    const location = redirectLocation(action.location, path)
    const summary = `route ${route.name} redirects to ${location} (${action.status})`
    return { ...base, ...none, status: action.status, summary }
  }
  const summary = `route ${route.name} answers ${action.status} by itself`
  return { ...base, ...none, status: action.status, summary }
}

function rewrittenPath({ rewrite }: RoutePlan, path: string): string | null {
  const rewritten = rewrite === null ? path : rewritePath(rewrite, path)
  return rewritten === path ? null : rewritten
}

function ofPool(
  plan: PoolPlan,
  pool: PoolExplanation,
  isTcp: boolean,
): Pick<Explanation, 'outcome' | 'status' | 'fault' | 'summary' | 'pool' | 'policy'> {
  const policy = policyOf(plan, isTcp)
  if (pool.fault !== null) {
    return { ...refusal(fault(pool.fault), pool.reason, isTcp), pool, policy }
  }
  const where = pool.backend ?? `a backend of pool ${pool.pool}`
  const summary =
    pool.outcome === 'queued'
      ? `it waits for pool ${pool.pool}: ${pool.reason}`
      : `it goes to ${where}: ${pool.reason}`
  return { outcome: pool.outcome, status: null, fault: null, summary, pool, policy }
}

function refusal(
  { code, status, sentence }: Fault,
  why: string,
  isTcp = false,
): Pick<Explanation, 'outcome' | 'status' | 'fault' | 'summary' | 'pool'> {
  const how = isTcp ? 'the connection is closed' : `the client gets ${status}`
  const summary = `${how} (${code}): ${why}`
  const told = { code, sentence }
  return { outcome: 'refused', status: isTcp ? null : status, fault: told, summary, pool: null }
}

function policyOf({ timeouts, retry, limits }: PoolPlan, isTcp: boolean): string[] {
  const lines = [
    isTcp
      ? `timeouts: connect ${duration(timeouts.connectMs)}, idle ${duration(timeouts.tunnelIdleMs)}`
      : `timeouts: connect ${duration(timeouts.connectMs)}, response head ${duration(timeouts.responseMs)}, all attempts ${duration(timeouts.totalMs)}`,
  ]
  if (retry === null) lines.push('no further attempts')
  else lines.push(`up to ${retry.attempts} further attempts, where nothing can be done twice`)
  if (limits.perBackend > 0) {
    lines.push(
      `${limits.perBackend} at a time on one backend; then up to ${limits.queue} wait for up to ${duration(timeouts.queueMs)}`,
    )
  }
  return lines
}

function duration(ms: number): string {
  if (ms % 60_000 === 0 && ms > 0) return `${ms / 60_000}m`
  return ms % 1_000 === 0 && ms > 0 ? `${ms / 1_000}s` : `${ms}ms`
}
