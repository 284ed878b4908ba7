// What operators change about backends while Evenkeel runs: taken out and brought back, weighed, added
// and removed. Each body becomes a request; whoever carries it out judges it.

import { z } from 'zod'
import { REASON_CHARS_MAX } from '../core/operator.ts'
import type { OverrideAnswer, OverrideRequest } from '../core/override-request.ts'
import { BACKENDS_MAX, CUT_AFTER_MAX_MS, WEIGHT_MAX, readWeight } from '../core/override-request.ts'
import type { BackendOverride, Overrides } from '../core/overrides.ts'
import { describeOverride } from '../core/overrides.ts'
import { json } from './answer.ts'
import type { Outcome, Route } from './route.ts'
import { changeRoute, readRoute } from './route.ts'
import { addressSchema, signature } from './schemas.ts'
import { by, flag, line, reason, wholeNumber } from './words.ts'

/** Whoever carries changes out. */
export interface BackendChanger {
  change(request: OverrideRequest): Promise<OverrideAnswer>
  readonly all: Overrides
}

/** Configured names have at most 64 characters, those of discovery 128, and maybe a number. */
const NAME_CHARS_MAX = 140
const name = line(NAME_CHARS_MAX)
const signed = { reason, by: by.optional() }
const back = { reason: reason.optional(), by: by.optional() }
const force = flag('Also below `minAvailable`, and the active that nobody could follow.')
const cutAfterMs = wholeNumber(0, CUT_AFTER_MAX_MS)
  .nullable()
  .default(null)
  .describe('What still runs after so many milliseconds is cut. Absent: it may finish.')
const backends = z
  .array(name, 'must be a list of names')
  .min(1, 'must name a backend')
  .max(BACKENDS_MAX, `may name ${BACKENDS_MAX} backends at most`)
  .describe('All of them or none.')
const weightError = `must be a whole number from 0 to ${WEIGHT_MAX}, or a share such as "50%"`
const weight = z
  .union([z.int().min(0).max(WEIGHT_MAX).transform(String), z.string()], weightError)
  .transform((text, context) => {
    const wish = readWeight(text)
    if (wish !== null) return wish
    context.addIssue({ code: 'custom', message: weightError })
    return z.NEVER
  })

const answer = z.looseObject({ message: z.string(), kept: z.boolean() })
const frame = {
  tag: 'backends',
  result: { says: 'It is done; `kept` tells whether it outlives a restart.', schema: answer },
  problems: ['no-pool', 'no-backend', 'refused'],
} as const
const takingOut = { ...frame, problems: [...frame.problems, 'min-available'] } as const
const example = { reason: 'kernel update', by: 'kim' }

const override: z.ZodType<BackendOverride & { readonly text: string }> = z
  .strictObject({
    pool: z.string(),
    backend: z.string(),
    admin: z.strictObject({ ...signature, state: z.enum(['drain', 'maint']) }).nullable(),
    weight: z
      .strictObject({
        ...signature,
        wish: z
          .strictObject({ kind: z.enum(['absolute', 'share']), value: z.number() })
          .describe('`share`: of the configured weight; 0.5 is half of it.'),
      })
      .nullable(),
    member: z
      .strictObject({
        ...signature,
        wish: z.union([
          z.strictObject({
            kind: z.literal('added'),
            address: addressSchema,
            weight: z.number(),
            zone: z.string().nullable(),
            site: z.string().nullable(),
          }),
          z.strictObject({ kind: z.literal('removed') }),
        ]),
      })
      .nullable(),
    goneSince: z
      .number()
      .nullable()
      .describe('Since when there has been no such backend: wall clock, ms since 1970.'),
    text: z.string().describe('The same in one line.'),
  })
  .meta({ id: 'Override' })

const overridesSchema = z.strictObject({ overrides: z.array(override) })

export function backendRoutes(changer: BackendChanger): readonly Route[] {
  const ask = async (request: OverrideRequest): Promise<Outcome> =>
    outcomeOf(await changer.change(request))
  return [
    ...takeOutRoutes('drain', 'give a backend no new requests; what runs may finish', ask),
    ...takeOutRoutes('maintenance', 'take a backend out; what can move, moves', ask),
    changeRoute({
      ...frame,
      path: '/v1/pools/{pool}/backends/{backend}/enable',
      verb: 'enable',
      summary: 'end drain or maintenance of a backend',
      body: z.strictObject(back),
      example,
      change: ({ params: { pool, backend }, by, reason }) =>
        ask({ verb: 'enable', pool, backends: [backend], by, reason }),
    }),
    changeRoute({
      ...frame,
      path: '/v1/pools/{pool}/enable',
      verb: 'enable',
      summary: 'end drain or maintenance of several backends',
      body: z.strictObject({ backends, ...back }),
      example: { backends: ['a', 'b'], ...example },
      change: ({ params: { pool }, body, by, reason }) =>
        ask({ verb: 'enable', pool, backends: body.backends, by, reason }),
    }),
    ...memberRoutes(ask),
    readRoute({
      path: '/v1/overrides',
      tag: 'backends',
      summary: 'what operators have changed while it runs',
      result: { says: 'Sorted by pool and backend.', schema: overridesSchema },
      answer: () => {
        const overrides = changer.all.map((one) => ({ ...one, text: describeOverride(one) }))
        return json(200, { overrides })
      },
    }),
  ]
}

type Ask = (request: OverrideRequest) => Promise<Outcome>

function takeOutRoutes(verb: 'drain' | 'maintenance', summary: string, ask: Ask): Route[] {
  const words = { ...signed, force, cutAfterMs }
  return [
    changeRoute({
      ...takingOut,
      path: `/v1/pools/{pool}/backends/{backend}/${verb}`,
      verb,
      summary,
      body: z.strictObject(words),
      example,
      change: ({ params: { pool, backend }, body: { force, cutAfterMs }, by, reason }) =>
        ask({ verb, pool, backends: [backend], force, cutAfterMs, by, reason }),
    }),
    changeRoute({
      ...takingOut,
      path: `/v1/pools/{pool}/${verb}`,
      verb,
      summary: `the same for several backends of a pool: all or none`,
      body: z.strictObject({ backends, ...words }),
      example: { backends: ['a', 'b'], ...example },
      change: ({ params: { pool }, body: { backends, force, cutAfterMs }, by, reason }) =>
        ask({ verb, pool, backends, force, cutAfterMs, by, reason }),
    }),
  ]
}

function memberRoutes(ask: Ask): Route[] {
  return [
    changeRoute({
      ...takingOut,
      path: '/v1/pools/{pool}/backends/{backend}/weight',
      verb: 'weight',
      summary: 'give a backend another weight; null is the configured one',
      body: z.strictObject({ weight: weight.nullable(), ...back, force }),
      example: { weight: '50%', ...example },
      change: ({ params: { pool, backend }, body: { weight, force }, by, reason }) =>
        ask({ verb: 'weight', pool, backend, weight, force, by, reason }),
    }),
    changeRoute({
      ...frame,
      path: '/v1/pools/{pool}/backends/{backend}/add',
      verb: 'add',
      summary: 'add a backend, or bring back one that was removed',
      body: z.strictObject({
        address: line(REASON_CHARS_MAX).nullable().default(null),
        weight: wholeNumber(0, WEIGHT_MAX).nullable().default(null),
        zone: name.nullable().default(null),
        site: name.nullable().default(null),
        ...signed,
      }),
      example: { address: '10.0.0.4:8080', ...example },
      change: ({ params: { pool, backend }, body, by, reason }) => {
        const { address, weight, zone, site } = body
        return ask({ verb: 'add', pool, backend, address, weight, zone, site, by, reason })
      },
    }),
    changeRoute({
      ...takingOut,
      path: '/v1/pools/{pool}/backends/{backend}/remove',
      verb: 'remove',
      summary: 'remove a backend; what runs there may finish',
      body: z.strictObject({ ...signed, force }),
      example,
      change: ({ params: { pool, backend }, body: { force }, by, reason }) =>
        ask({ verb: 'remove', pool, backend, force, by, reason }),
    }),
  ]
}

/** What came of it, as an outcome of the API. */
function outcomeOf(answer: OverrideAnswer): Outcome {
  if (answer.ok) return { ok: true, message: answer.message, body: { kept: answer.kept } }
  const { code, message, names, shortage } = answer
  const body: Record<string, unknown> = { ...shortage }
  if (names !== undefined) body[code === 'no-backend' ? 'backends' : 'pools'] = names
  return { ok: false, code, message, body }
}
