// The paths that give the running process another configuration, or tell where that stands.

import { z } from 'zod'
import type { ConfigStatus, ReloadAnswer, ReloadWish } from '../core/reload.ts'
import { CONFIRM_MAX_MS, CONFIRM_MIN_MS } from '../core/reload.ts'
import { json } from './answer.ts'
import type { ChangeCall, Outcome, Route } from './route.ts'
import { changeRoute, readRoute } from './route.ts'
import { by, flag, line, queryNumber, reason, wholeNumber } from './words.ts'

/** Whoever carries reloads out. */
export interface ReloadActor {
  reload(wish: ReloadWish): Promise<ReloadAnswer>
  confirm(by: string): ConfirmOutcome
  revert(by: string): Promise<ConfirmOutcome>
  readonly status: ConfigStatus
}

interface ConfirmOutcome {
  readonly ok: boolean
  readonly message: string
}

/** Larger than any configuration that people write. */
const TEXT_BYTES_MAX = 8 * 1024 * 1024
const NAME_CHARS_MAX = 200

const finding = z.strictObject({
  file: z.string(),
  path: z.string(),
  line: z.int().describe('From 1; 0: about the file as a whole.'),
  column: z.int(),
  message: z.string(),
  hint: z.string().nullable(),
})
const setting = z.strictObject({
  path: z.string(),
  before: z.string().nullable(),
  after: z.string().nullable(),
})
const differencesOf = <T extends z.ZodRawShape>(changed: T) =>
  z.strictObject({
    added: z.array(z.string()),
    removed: z.array(z.string()),
    changed: z.array(z.strictObject({ name: z.string(), settings: z.array(setting), ...changed })),
  })
const differences = differencesOf({
  isReplaced: z.boolean().describe('Under its name there is something new.'),
})
const changes = z.strictObject({
  listeners: differences,
  pools: differencesOf({ backends: differences }),
  settings: z.array(setting).describe('Of the process.'),
  fixed: z
    .array(z.strictObject({ ...setting.shape, advice: z.string() }))
    .describe('What no reload can change.'),
})
const answer = z.strictObject({
  message: z.string(),
  outcome: z.enum(['applied', 'unchanged', 'planned']),
  version: z.string().describe('Of the configuration in force.'),
  changes: changes.nullable(),
  leaving: z
    .array(
      z.strictObject({
        kind: z.enum(['listener', 'backend']),
        name: z.string(),
        sessions: z.int(),
      }),
    )
    .describe('What would go, and what it has under way.'),
  drainMs: z.int().describe('How long that may take to finish.'),
  warnings: z.array(finding),
  revertsInMs: z.int().nullable().describe('Until it is taken back unless it is confirmed.'),
})
const status = z.strictObject({
  version: z.string().describe('Hash of what is configured, without secrets.'),
  etag: z.string().describe('For If-Match.'),
  source: z.string().nullable().describe('What the process reads: a path, or `environment`.'),
  last: z
    .strictObject({
      outcome: z.enum(['applied', 'unchanged', 'refused', 'reverted']),
      source: z.string(),
      by: z.string(),
      message: z.string(),
      at: z.int().describe('ms since 1970.'),
    })
    .nullable(),
  pending: z
    .strictObject({
      by: z.string(),
      revertsAt: z.int(),
      revertsInMs: z.int(),
      previous: z.string().describe('Version that it goes back to.'),
      trouble: z
        .string()
        .nullable()
        .describe('Why it could not be taken back when its time was over; tried every second.'),
    })
    .nullable(),
})

const result = { says: 'What became of it, or would.', schema: answer }
const confirmed = {
  says: 'It is done.',
  schema: z.strictObject({ message: z.string(), version: z.string() }),
}
const problems = ['config-invalid', 'config-refused', 'busy', 'refused', 'changed'] as const
const signed = { reason: reason.optional(), by: by.optional() }

export function reloadRoutes(actor: ReloadActor): readonly Route[] {
  return [
    readRoute({
      path: '/v1/config/status',
      tag: 'config',
      summary: 'which configuration is in force, and how the last reload went',
      result: { says: 'Where the configuration stands.', schema: status },
      answer: () => json(200, actor.status, { etag: actor.status.etag }),
    }),
    changeRoute({
      path: '/v1/config/reload',
      tag: 'config',
      verb: 'reload',
      summary: 'read the own configuration again and apply it',
      description:
        'A configuration with errors, or one that needs a restart, changes nothing. With `confirmMs` it is taken back after that time unless it is confirmed. `If-Match` with the `etag` of the status refuses it if the configuration has changed since.',
      body: z.strictObject({
        ...signed,
        confirmMs: wholeNumber(CONFIRM_MIN_MS, CONFIRM_MAX_MS).optional(),
        dryRun: flag('Only say what would happen.'),
      }),
      dryRun: true,
      example: { by: 'kim', reason: 'two more servers', confirmMs: 60_000 },
      result,
      problems,
      change: (call) => reload(actor, call, optional('confirmMs', call.body.confirmMs)),
    }),
    configureRoute(actor),
    ...pendingRoutes(actor),
  ]
}

function configureRoute(actor: ReloadActor): Route {
  return changeRoute({
    path: '/v1/config',
    tag: 'config',
    verb: 'configure',
    summary: 'apply the configuration in the body',
    description:
      'YAML, read with the environment and from the folder of the process. It holds until the next reload or restart: the file on disk stays as it is.',
    query: z.strictObject({
      by: by.optional(),
      reason: reason.optional(),
      confirmMs: queryNumber(CONFIRM_MIN_MS, CONFIRM_MAX_MS).optional(),
      name: line(NAME_CHARS_MAX).optional().describe('What errors call the text.'),
    }),
    body: z.string('must be text').describe('The configuration.'),
    bodyTypes: ['application/yaml', 'application/x-yaml', 'text/yaml'],
    bodyBytesMax: TEXT_BYTES_MAX,
    example: 'listeners: { web: { bind: ":8080", pool: web } }',
    dryRun: true,
    result,
    problems,
    wishes: ({ query, dryRun, body }) => {
      const { confirmMs, name } = query
      return { confirmMs, name, dryRun, bytes: Buffer.byteLength(body) }
    },
    change: (call) => {
      const { confirmMs, name } = call.query
      return reload(actor, call, {
        text: call.body,
        ...optional('confirmMs', confirmMs),
        ...optional('name', name),
      })
    },
  })
}

function pendingRoutes(actor: ReloadActor): readonly Route[] {
  return [
    changeRoute({
      path: '/v1/config/confirm',
      tag: 'config',
      verb: 'confirm',
      summary: 'keep the configuration that waits for its confirmation',
      body: z.strictObject(signed),
      example: { by: 'kim' },
      result: confirmed,
      problems: ['refused'],
      change: ({ by }) => confirmOutcome(actor.confirm(by), actor.status),
    }),
    changeRoute({
      path: '/v1/config/revert',
      tag: 'config',
      verb: 'revert',
      summary: 'take the configuration that waits for its confirmation back at once',
      body: z.strictObject(signed),
      example: { by: 'kim', reason: 'more errors than before' },
      result: confirmed,
      problems: ['refused'],
      change: async ({ by }) => confirmOutcome(await actor.revert(by), actor.status),
    }),
  ]
}

async function reload(
  actor: ReloadActor,
  call: ChangeCall,
  wish: Partial<ReloadWish>,
): Promise<Outcome> {
  const { by, dryRun } = call
  const certain = optional('etags', wantedTags(call))
  const answer = await actor.reload({ source: 'api', by, dryRun, ...certain, ...wish })
  return outcomeOf(answer, actor.status)
}

/** Of `If-Match` (RFC 9110 §13.1.1); absent: any will do. */
function wantedTags({ headers }: ChangeCall): readonly string[] | undefined {
  const field = headers['if-match']
  if (field === undefined || field.trim() === '*') return undefined
  return field.split(',').map((tag) => tag.trim())
}

function outcomeOf(answer: ReloadAnswer, { etag }: ConfigStatus): Outcome {
  const { message, ...facts } = answer
  if (answer.outcome !== 'refused') return { ok: true, message, body: facts, headers: { etag } }
  const { code } = answer
  return { ok: false, code, message, body: facts }
}

function confirmOutcome({ ok, message }: ConfirmOutcome, { version }: ConfigStatus): Outcome {
  return ok ? { ok, message, body: { version } } : { ok, code: 'refused', message }
}

/** A member that is left out where there is no value. */
function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>)
}
