// The leaves that queries and bodies of the admin API are made of. Each says in words what is wrong
// with a value; the sentence around it is input.ts's.

import { z } from 'zod'
import { BY_CHARS_MAX, REASON_CHARS_MAX } from '../core/operator.ts'

/** One line of text that ends up in logs, terminals and environments of hooks. */
export function line(charsMax: number) {
  return z
    .string({ error: ({ input }) => (input === undefined ? 'is missing' : 'must be a text') })
    .trim()
    .min(1, 'must not be empty')
    .max(charsMax, `may have ${charsMax} characters at most`)
    .regex(
      /^[^\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]*$/u,
      'must be one line without control characters',
    )
}

/** Why a change is asked for. */
export const reason = line(REASON_CHARS_MAX).describe('Why; for the log and the record.')

/** Who asks for a change. */
export const by = line(BY_CHARS_MAX).describe('Who asks. Default: how he got in.')

/** `true` or `false`; absent is `false`. */
export function flag(says: string) {
  return z.boolean('must be true or false').default(false).describe(says)
}

/** A whole number of a JSON body. */
export function wholeNumber(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`
  return z.int(error).min(min, error).max(max, error)
}

/** `true` or `false` in a query; absent is `false`. */
export function queryFlag(says: string) {
  return z
    .enum(['true', 'false'], 'must be true or false')
    .default('false')
    .transform((text) => text === 'true')
    .describe(says)
}

/** A whole number in a query. */
export function queryNumber(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`
  return z
    .string(error)
    .regex(/^(0|[1-9]\d{0,15})$/, error)
    .refine((text) => Number(text) >= min && Number(text) <= max, error)
    .meta({ type: 'integer', minimum: min, maximum: max })
    .transform(Number)
}
