// The same fault seen by Evenkeel and by a HAProxy at its defaults, at the same time, in front of the
// same servers. Only Evenkeel is judged; HAProxy's line is printed beside it.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { startEvenkeel } from '../../support/evenkeel.ts'
import type { Evenkeel } from '../../support/evenkeel.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { describeLoad, startLoad } from '../../support/load.ts'
import type { LoadOptions, LoadResult } from '../../support/load.ts'
import { waitFor } from '../../support/wait.ts'

/** A server that both have in their pool. */
export interface Member {
  readonly name: string
  readonly address: string
}

export interface Pair {
  readonly evenkeel: Evenkeel
  readonly urls: { readonly evenkeel: string; readonly haproxy: string }
}

/** The pool's settings beyond mode, backends and health check; defaults apply to the rest. */
export type PoolSettings = Readonly<Record<string, unknown>>

/**
 * An Evenkeel with one http listener `web` and one pool `web`, all else at its defaults. When the
 * test is over it is stopped, and must end as it should.
 */
export async function startWeb(
  context: TestContext,
  members: readonly Member[],
  pool: PoolSettings = {},
): Promise<Evenkeel> {
  const evenkeel = await startEvenkeel({
    // The clients here hold on to their connections: a longer drain would only wait for them.
    runtime: { drain: '200ms' },
    listeners: { web: { protocol: 'http', routes: [{ pool: 'web' }] } },
    pools: {
      web: {
        backends: Object.fromEntries(members.map(({ name, address }) => [name, address])),
        healthCheck: { http: { path: '/health' } },
        ...pool,
      },
    },
  })
  context.after(async () => {
    const exit = await evenkeel.stop()
    assert.deepEqual(exit, { code: 0, signal: null }, evenkeel.logs())
    assert.doesNotMatch(evenkeel.logs(), /an error of its own|uncaught/i)
  })
  return evenkeel
}

/** Starts both and stops both when the test is over. Every server must be answering. */
export async function startPair(
  context: TestContext,
  members: readonly Member[],
  pool: PoolSettings = {},
): Promise<Pair> {
  const haproxy = await startHaproxy([
    'balance roundrobin',
    'option httpchk GET /health',
    ...members.map(({ name, address }) => `server ${name} ${address} check`),
  ])
  context.after(() => haproxy.stop())
  const evenkeel = await startWeb(context, members, pool)
  const urls = { evenkeel: evenkeel.url(), haproxy: haproxy.url }
  await Promise.all(Object.values(urls).map((url) => allServe(url, members.length)))
  return { evenkeel, urls }
}

/** Waits until as many different answers come through as there are servers. */
export async function allServe(url: string, servers: number): Promise<void> {
  const seen = new Set<string>()
  await waitFor(
    async () => {
      const response = await fetch(url)
      const body = await response.text()
      if (response.ok) seen.add(body)
      return seen.size === servers
    },
    { what: `all ${servers} servers to serve`, everyMs: 5 },
  )
}

/** Loads both alike while `during` runs, prints a line for each, and returns Evenkeel's. */
export async function loadBoth(
  context: TestContext,
  pair: Pair,
  options: Omit<LoadOptions, 'url'> & { readonly seconds: number },
  during: () => Promise<void>,
): Promise<LoadResult> {
  const evenkeel = startLoad({ ...options, url: `${pair.urls.evenkeel}/` })
  const haproxy = startLoad({ ...options, url: `${pair.urls.haproxy}/` })
  await during()
  const [ours, theirs] = await Promise.all([evenkeel.done, haproxy.done])
  context.diagnostic(`evenkeel: ${describeLoad(ours)}`)
  context.diagnostic(`haproxy:  ${describeLoad(theirs)}`)
  // Whoever looks at a failure wants to know what Evenkeel made of it.
  if (ours.failed > 0) context.diagnostic(pair.evenkeel.logs())
  return ours
}
