// Members from Docker: containers with our labels. Follows the events and reads the whole list after
// each, as an event says that something has changed and the list says what is; and every 30 s, as an
// event may be lost. Reads only: nothing here could change a container.

import type { DockerSourcePlan } from '../core/source-plan.ts'
import type { Source, SourceHost } from './contract.ts'
import { EVENT_FILTERS, listFilters, readContainers } from './docker-containers.ts'
import { ApiError, fieldsOf, messageIn, statusText, StreamError, textOf } from './json-api.ts'
import type { JsonApi } from './json-api.ts'
import type { Session } from './sessions.ts'
import { Sessions } from './sessions.ts'

export interface DockerNeeds {
  open(socket: string): Promise<JsonApi>
}

/** The newest API that this code was written for; a daemon that knows only newer ones gets its own. */
const API_NEWEST = '1.51'
const LIST_EVERY_MS = 30_000
/** A roll-out is many events: one list for all of them. */
const GATHER_MS = 200
/** Some daemons send the head of the stream with the first event only. */
const OPEN_MS = 1_000

export function dockerSource(
  pool: string,
  plan: DockerSourcePlan,
  host: SourceHost,
  needs: DockerNeeds,
): Source {
  return new Sessions(host, async (session) => {
    const api = await needs.open(plan.socket)
    try {
      await follow(session, api, { pool, plan })
    } finally {
      api.close()
    }
  })
}

interface Subject {
  readonly pool: string
  readonly plan: DockerSourcePlan
}

async function follow(session: Session, api: JsonApi, subject: Subject): Promise<void> {
  const version = await negotiate(session, api)
  const events = new Events()
  // Events first: what happens between a list and them would be missed for half a minute.
  const stream = followEvents(session, { api, version, events })
  if (!events.isOpen) await session.pause(OPEN_MS)
  while (events.error === null && !session.signal.aborted) {
    events.isDirty = false
    await list(session, api, { ...subject, version })
    if (events.error === null && !events.isDirty) await session.pause(LIST_EVERY_MS)
    if (events.error === null && events.isDirty) await session.pause(GATHER_MS)
  }
  await stream
  if (events.error !== null) throw events.error
}

/** Follows the events until their stream ends, and says in `events` why it did. */
async function followEvents(
  session: Session,
  { api, version, events }: { api: JsonApi; version: string; events: Events },
): Promise<void> {
  const path = `/v${version}/events?filters=${encodeURIComponent(EVENT_FILTERS)}`
  try {
    await api.stream(path, {
      signal: session.signal,
      idleMs: 0,
      opened: () => {
        events.isOpen = true
        session.wake()
      },
      line: () => {
        if (!events.isDirty) session.wake()
        events.isDirty = true
      },
    })
    events.error = new StreamError('the stream of its events has ended')
  } catch (error) {
    events.error = error instanceof Error ? error : new Error(String(error))
  }
  session.wake()
}

/** What the stream of events has shown so far. */
class Events {
  isOpen = false
  /** Something happened since the last list. */
  isDirty = false
  /** Why there is no stream any more. */
  error: Error | null = null
}

/** The version to ask for: the daemon refuses one that it finds too old or does not know yet. */
async function negotiate(session: Session, api: JsonApi): Promise<string> {
  const ping = await api.get('/_ping', { signal: session.signal })
  const own = versionIn(ping.headers['api-version'])
  if (own === null) {
    if (ping.status !== 200) throw new ApiError(statusText(ping.status, messageIn(ping.body)))
    throw new ApiError('it is no Docker: it does not tell the version of its API')
  }
  if (isOlder(own, API_NEWEST)) return own
  const path = `/v${API_NEWEST}/version`
  const answer = await api.get(path, { signal: session.signal })
  // Docker 29 refused what older clients asked for: then its own version is the one to speak.
  if (answer.status !== 200) return own
  const least = versionIn(fieldsOf(answer.body)['MinAPIVersion'])
  return least !== null && isOlder(API_NEWEST, least) ? own : API_NEWEST
}

function versionIn(value: unknown): string | null {
  const text = textOf(value)
  return text !== null && /^\d{1,3}\.\d{1,4}$/.test(text) ? text : null
}

function isOlder(one: string, other: string): boolean {
  const [a = 0, b = 0] = one.split('.').map(Number)
  const [c = 0, d = 0] = other.split('.').map(Number)
  return a !== c ? a < c : b < d
}

async function list(
  session: Session,
  api: JsonApi,
  { pool, plan, version }: Subject & { readonly version: string },
): Promise<void> {
  const filters = encodeURIComponent(listFilters(pool, plan))
  const path = `/v${version}/containers/json?filters=${filters}`
  const { status, body } = await api.get(path, { signal: session.signal })
  if (status !== 200) throw new ApiError(statusText(status, messageIn(body)), status)
  const read = readContainers(body, plan)
  if (read === null) throw new ApiError('its list of containers makes no sense')
  const empty = `no running container has the labels evenkeel.enable=true and evenkeel.pool=${pool}`
  session.answer({ kind: 'answer', ...read, incomplete: null, empty })
}
