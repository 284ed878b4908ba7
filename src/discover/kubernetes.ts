// Members from Kubernetes: the EndpointSlices of a service, listed once and then watched from the
// version of the list on. A version that the server no longer keeps (410) is a reason to list again.
// Needs the permissions list and watch on endpointslices and uses no other.

import type { KubernetesSourcePlan } from '../core/source-plan.ts'
import type { Source, SourceHost } from './contract.ts'
import { EndpointSlices, versionOf } from './endpoint-slices.ts'
import { ApiError, fieldsOf, messageIn, statusText, StreamError, textOf } from './json-api.ts'
import type { JsonApi } from './json-api.ts'
import type { Session } from './sessions.ts'
import { Sessions } from './sessions.ts'

/** Where the cluster's API is and who we are to it. */
export interface KubernetesAccess {
  readonly server: string
  readonly ca: string | null
  readonly namespace: string
  /** Read anew for each request: it rotates. */
  token(): Promise<string>
}

export interface KubernetesNeeds {
  /** @throws Error that says what is missing */
  access(plan: KubernetesSourcePlan): Promise<KubernetesAccess>
  open(access: KubernetesAccess): Promise<JsonApi>
}

const PAGE = 500
const PAGES_MAX = 50
/** How often a list may be begun anew because it has changed meanwhile. */
const LISTS_MAX = 3
/**
 * How long the server keeps a watch open; each one a little different, so they don't end together. What
 * stands between us may keep up a connection of which only its own half is left, and then this alone tells.
 */
const WATCH_S = 120
const WATCH_SPREAD_S = 60
/** A server that is alive sends a bookmark about every minute, or ends the watch in time. */
const WATCH_GRACE_MS = 30_000
const WATCH_APART_MS = 1_000
const GONE = 410
/** So many watches in a row that nothing comes of are enough. */
const VAIN_MAX = 3

export function kubernetesSource(
  plan: KubernetesSourcePlan,
  host: SourceHost,
  needs: KubernetesNeeds,
): Source {
  return new Sessions(host, async (session) => {
    const access = await needs.access(plan)
    const api = await needs.open(access)
    try {
      await new Watcher(session, api, { plan, access, host }).run()
    } finally {
      api.close()
    }
  })
}

interface Subject {
  readonly plan: KubernetesSourcePlan
  readonly access: KubernetesAccess
  readonly host: SourceHost
}

class Watcher {
  readonly #session: Session
  readonly #api: JsonApi
  readonly #subject: Subject
  readonly #path: string
  #slices: EndpointSlices
  #version = ''
  /** Watches in a row that ended at once, or whose version was not known, without a word. */
  #vain = 0

  constructor(session: Session, api: JsonApi, subject: Subject) {
    this.#session = session
    this.#api = api
    this.#subject = subject
    const { namespace } = subject.access
    const label = encodeURIComponent(`kubernetes.io/service-name=${subject.plan.service}`)
    const base = `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}`
    this.#path = `${base}/endpointslices?labelSelector=${label}`
    this.#slices = new EndpointSlices(subject.plan.port)
  }

  async run(): Promise<void> {
    while (!this.#session.signal.aborted) {
      await this.#list()
      // A watch that was ended in time goes on where it was.
      while (await this.#watch());
      this.#wasVain('it does not know the version of its own list')
      // What was listed is too old to go on from: the server may be busy, so not at once.
      await this.#session.pause(500 + this.#subject.host.random.next() * 500)
    }
  }

  async #list(times = 1): Promise<void> {
    const slices = new EndpointSlices(this.#subject.plan.port)
    let next: string | null = ''
    let version: string | null = null
    for (let page = 0; next !== null; page++) {
      if (page >= PAGES_MAX) throw new ApiError('its list of endpoints has no end')
      const more: string = next === '' ? '' : `&continue=${encodeURIComponent(next)}`
      const { status, body } = await this.#get(`${this.#path}&limit=${PAGE}${more}`)
      if (status === GONE && page > 0) {
        if (times < LISTS_MAX) return this.#list(times + 1)
        throw new ApiError('its list of endpoints changes faster than it can be read', status)
      }
      if (status !== 200) throw refused(status, messageIn(body))
      const items = fieldsOf(body)['items']
      if (!Array.isArray(items)) throw new ApiError('its list of endpoints makes no sense')
      for (const item of items) slices.set(item)
      version = versionOf(body)
      next = textOf(fieldsOf(fieldsOf(body)['metadata'])['continue'])
    }
    this.#slices = slices
    this.#version = version ?? ''
    this.#tell()
  }

  async #get(path: string) {
    const headers = await this.#headers()
    return this.#api.get(path, { headers, signal: this.#session.signal })
  }

  async #headers(): Promise<Readonly<Record<string, string>>> {
    const token = await this.#subject.access.token()
    return { accept: 'application/json', authorization: `Bearer ${token}` }
  }

  /** Follows the changes; `false`: list again. */
  async #watch(): Promise<boolean> {
    if (this.#session.signal.aborted) return false
    const { random } = this.#subject.host
    const seconds = WATCH_S + Math.floor(random.next() * WATCH_SPREAD_S)
    const path =
      `${this.#path}&watch=1&allowWatchBookmarks=true&timeoutSeconds=${seconds}` +
      `&resourceVersion=${encodeURIComponent(this.#version)}`
    const { clock } = this.#subject.host
    const startMs = clock.nowMs()
    try {
      await this.#api.stream(path, {
        headers: await this.#headers(),
        signal: this.#session.signal,
        idleMs: seconds * 1_000 + WATCH_GRACE_MS,
        opened: () => {},
        line: (event) => this.#take(event),
      })
    } catch (error) {
      if (error instanceof ApiError && error.status === GONE) return false
      if (error instanceof ApiError && error.status !== null) {
        throw refused(error.status, error.message.replace(/^it answers \d+(: )?/, '') || null)
      }
      throw error
    }
    // A server that ends each watch as soon as it began must not keep us running in a circle.
    const ranMs = clock.nowMs() - startMs
    if (ranMs >= WATCH_APART_MS) this.#vain = 0
    else {
      this.#wasVain('its watch ends as soon as it has begun')
      await this.#session.pause(WATCH_APART_MS - ranMs)
    }
    return true
  }

  /** @throws StreamError when that happens each time: then it is not followed */
  #wasVain(how: string): void {
    if (++this.#vain >= VAIN_MAX) throw new StreamError(how)
  }

  /** One line of a watch. @throws ApiError when nothing that follows it would be of use */
  #take(line: unknown): void {
    const { type, object } = fieldsOf(line)
    if (type === 'ERROR') {
      const { code, message } = fieldsOf(object)
      if (code === GONE) throw new ApiError('its version is too old', GONE)
      throw new StreamError(textOf(message) ?? 'its watch ended with an error')
    }
    this.#vain = 0
    this.#version = versionOf(object) ?? this.#version
    if (type === 'ADDED' || type === 'MODIFIED') this.#slices.set(object)
    else if (type === 'DELETED') this.#slices.delete(object)
    else if (type !== 'BOOKMARK') throw new ApiError('its watch makes no sense')
    // A bookmark says that nothing has changed up to here: what is known is as new as that.
    this.#tell()
  }

  #tell(): void {
    const read = this.#slices.read()
    const empty = `service ${this.#subject.plan.service} has no endpoints`
    this.#session.answer({ kind: 'answer', ...read, incomplete: null, empty })
  }
}

function refused(status: number, message: string | null): ApiError {
  const hint =
    status === 401
      ? ' (the token is not accepted)'
      : status === 403
        ? ' (the service account needs list and watch on endpointslices)'
        : ''
  return new ApiError(`${statusText(status, message)}${hint}`, status)
}
