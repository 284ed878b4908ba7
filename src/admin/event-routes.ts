// The paths that tell what happens: as it happens, or of late.

import { z } from 'zod'
import type { EventKind } from '../core/events.ts'
import { json } from './answer.ts'
import type { EventStream } from './event-stream.ts'
import { bad } from './input.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'
import { readRoute } from './route.ts'
import { queryFlag, queryNumber } from './words.ts'

const EVENT_KINDS = Object.keys({
  transition: true,
  move: true,
  turn: true,
  site: true,
  operator: true,
  config: true,
  discovery: true,
  drained: true,
  warning: true,
  thread: true,
  process: true,
} satisfies Record<EventKind, true>) as readonly EventKind[]

const kinds = z
  .string()
  .describe(`Only these, parted by commas: ${EVENT_KINDS.join(', ')}.`)
  .optional()

const event = z.looseObject({
  id: z.int().describe('Grows by one with each event of the process.'),
  kind: z.enum(EVENT_KINDS),
  at: z.number().describe('Wall clock, ms since 1970.'),
  atMs: z.number().describe('Monotonic ms.'),
})

export function eventRoutes(stream: EventStream): readonly Route[] {
  return [
    readRoute({
      path: '/v1/events',
      tag: 'events',
      summary: 'what happens, as it happens (server-sent events)',
      description:
        '`event` is the kind, `data` the event as JSON. A client that comes back sends its `Last-Event-ID` and gets what it missed; an event `gap` before it says that some is lost. A client that does not read is cut.',
      query: z.strictObject({
        kinds,
        status: queryFlag('Also the pools as they are, as `status`: at first, then when changed.'),
        since: z
          .string()
          .regex(/^(\w+-)?\d{1,15}$/, 'must be the id of an event')
          .describe('As Last-Event-ID; 0: everything that is kept.')
          .optional(),
      }),
      result: { says: 'Events without end.', type: 'text/event-stream' },
      problems: ['too-many'],
      answer: ({ query, headers }) => {
        const read = readKinds(query.kinds)
        if (!read.ok) return read.answer
        if (stream.isFull) {
          const detail = 'As many clients follow the events as may; close one, or try again later.'
          return problem('too-many', detail, {}, { 'retry-after': '5' })
        }
        const last = headers['last-event-id']
        const after = (typeof last === 'string' ? last : undefined) ?? query.since ?? null
        const body = stream.follow({ kinds: read.value, status: query.status, after })
        // A proxy in between must not gather events (nginx's word for that).
        return {
          status: 200,
          type: 'text/event-stream',
          body,
          headers: { 'x-accel-buffering': 'no' },
        }
      },
    }),
    readRoute({
      path: '/v1/events/recent',
      tag: 'events',
      summary: 'what happened of late',
      query: z.strictObject({
        kinds,
        limit: queryNumber(1, 1_000).describe('At most this many, the latest.').optional(),
      }),
      result: {
        says: 'The latest events, oldest first; at most 1,000 are kept.',
        schema: z.strictObject({ events: z.array(event) }),
      },
      answer: ({ query }) => {
        const read = readKinds(query.kinds)
        if (!read.ok) return read.answer
        const { value } = read
        const all = stream.since('0').events.filter(({ kind }) => value === null || value.has(kind))
        return json(200, { events: all.slice(-(query.limit ?? all.length)) })
      },
    }),
  ]
}

function readKinds(text: string | undefined) {
  if (text === undefined) return { ok: true, value: null } as const
  const wanted = text.split(',')
  const known: readonly string[] = EVENT_KINDS
  const wrong = wanted.find((kind) => !known.includes(kind))
  if (wrong !== undefined) {
    return bad(`There is no kind '${wrong}': there are ${EVENT_KINDS.join(', ')}.`)
  }
  return { ok: true, value: new Set(wanted as EventKind[]) } as const
}
