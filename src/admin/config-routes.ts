// The path that tells what is configured, in the words of the configuration.

import { z } from 'zod'
import { json } from './answer.ts'
import type { Route } from './route.ts'
import { readRoute } from './route.ts'

/** Settings by their path, such as `timeouts.connect`, as people write them; no secrets. */
export type Settings = Readonly<Record<string, string>>

/** What is configured, with every default. */
export interface EffectiveConfig {
  /** Of the process. */
  readonly settings: Settings
  readonly listeners: Readonly<Record<string, Settings>>
  readonly pools: Readonly<
    Record<
      string,
      { readonly settings: Settings; readonly backends: Readonly<Record<string, Settings>> }
    >
  >
}

const settings = z.record(z.string(), z.string())
const effective: z.ZodType<EffectiveConfig> = z.strictObject({
  settings,
  listeners: z.record(z.string(), settings),
  pools: z.record(
    z.string(),
    z.strictObject({ settings, backends: z.record(z.string(), settings) }),
  ),
})

const example = {
  settings: { 'runtime.drain': '8s', 'admin.tokens.admin': '(hidden)' },
  listeners: { web: { bind: ':8080', pool: 'web' } },
  pools: {
    web: {
      settings: { balance: 'round-robin' },
      backends: { a: { address: '10.0.0.1:8080', weight: '1' } },
    },
  },
}

/** @param config what is in force, and its entity tag: a quoted text (RFC 9110 §8.8.3) */
export function configRoutes(
  config: () => { readonly etag: string; readonly config: EffectiveConfig },
): readonly Route[] {
  return [
    readRoute({
      path: '/v1/config',
      tag: 'config',
      summary: 'what is configured, with every default',
      description:
        'In the words of the configuration, each setting by its path; what may be a secret reads `(hidden)`. The `ETag` is for `If-Match` of a change, and for `If-None-Match`.',
      result: { says: 'The configuration in force.', schema: effective, example },
      answer: ({ headers }) => {
        const { etag, config: value } = config()
        if (matchesTag(headers['if-none-match'], etag)) {
          return { status: 304, type: 'application/json', body: '', headers: { etag } }
        }
        return json(200, value, { etag })
      },
    }),
  ]
}

/** Whether a list of entity tags, or `*`, has this one (RFC 9110 §13.1.2: a weak one will do). */
function matchesTag(field: string | undefined, etag: string): boolean {
  if (field === undefined) return false
  const tags = new Set(field.split(',').map((tag) => tag.trim().replace(/^W\//, '')))
  return tags.has('*') || tags.has(etag)
}
