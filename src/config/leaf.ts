// Building blocks of the schema. Every scalar is read from its text by a function of ours, so that
// no message comes from zod, and carries the JSON Schema that editors should apply to it.
// A value of the wrong kind is reported with what was expected instead (`expects`).

import { z } from 'zod'
import { suggest } from './suggest.ts'
import {
  accept,
  durationMaxMs,
  formatDuration,
  formatRatio,
  formatSize,
  quote,
  type Reading,
  readDuration,
  readInteger,
  readRatio,
  readSize,
  refuse,
} from './units.ts'

/** What `issues.ts` finds in the parameters of an issue that was raised here. */
export interface IssueParams {
  readonly hint: string | null
  /** The value is of another kind (map, list, missing), so another branch of a union may fit. */
  readonly mismatch?: boolean
}

type Json = Readonly<Record<string, unknown>>

/** In editors, a value with `${...}` in it is fine wherever a number or word is. */
const variable = { type: 'string', pattern: '\\$\\{' }

function leaf<T>(read: (text: string) => Reading<T>, expects: string, json: Json) {
  return z
    .unknown()
    .transform((value, context): T => {
      const isScalar = typeof value === 'number' || typeof value === 'boolean'
      const text = isScalar ? String(value) : value
      if (typeof text !== 'string') {
        const params: IssueParams = { hint: null, mismatch: true }
        context.addIssue({ code: 'custom', message: expects, params, input: value })
        return z.NEVER
      }
      const reading = read(text)
      if (reading.ok) return reading.value
      const params: IssueParams = { hint: reading.hint }
      context.addIssue({ code: 'custom', message: reading.message, params, input: value })
      return z.NEVER
    })
    .meta(json)
}

/** Text as it stands; `read` narrows it. */
export function text<T = string>(
  expects: string,
  read: (text: string) => Reading<T> = (value) => accept(value as T),
  json: Json = { type: ['string', 'number', 'boolean'] },
) {
  return leaf(read, expects, json)
}

/** In editors: an address, be it to bind or to reach. */
export const addressJson: Json = { type: 'string', pattern: '^unix:/|:\\d+$|\\$\\{' }

/** In editors: a path. */
export const pathJson: Json = { type: 'string', pattern: '^/|\\$\\{' }

/** A duration of `min` to `max` milliseconds. */
export function duration(min: number, max: number) {
  const range = `use ${formatDuration(min)} to ${formatDuration(max)}`
  return leaf(
    (text) => within(readDuration(text, Math.max(durationMaxMs, max)), text, min, max, range),
    'a duration such as 500ms or 2s',
    {
      anyOf: [{ type: 'string', pattern: '^(\\d+(\\.\\d+)?(ms|s|m|h|d))+$|\\$\\{' }, { const: 0 }],
    },
  )
}

/** A size of `min` to `max` bytes. */
export function size(min: number, max: number) {
  const range = `use ${formatSize(min)} to ${formatSize(max)}`
  return leaf((text) => within(readSize(text), text, min, max, range), 'a size such as 64KiB', {
    anyOf: [{ type: 'string', pattern: '^\\d+(\\.\\d+)? ?(B|KiB|MiB|GiB)$|\\$\\{' }, { const: 0 }],
  })
}

/** A share of `min` to `max`, within 0…1. */
export function ratio(min: number, max: number) {
  const range = `use ${formatRatio(min)} to ${formatRatio(max)}`
  return leaf(
    (text) => within(readRatio(text), text, min, max, range),
    'a percentage such as 50%',
    {
      anyOf: [
        { type: 'number', minimum: 0, maximum: 1 },
        { type: 'string', pattern: '^\\d+(\\.\\d+)? ?%$|\\$\\{' },
      ],
    },
  )
}

/** A whole number of `min` to `max`. */
export function integer(min: number, max: number) {
  return leaf((text) => readInteger(text, min, max), 'a whole number', integerJson(min, max))
}

/** What editors should accept for a whole number. */
export function integerJson(min: number, max: number): Json {
  return {
    anyOf: [
      { type: 'integer', minimum: min, maximum: max },
      { type: 'string', pattern: '^\\d+$|\\$\\{' },
    ],
  }
}

function within(
  reading: Reading<number>,
  text: string,
  min: number,
  max: number,
  range: string,
): Reading<number> {
  if (!reading.ok) return reading
  if (reading.value < min) return refuse(`${text} is too small`, range)
  if (reading.value > max) return refuse(`${text} is too large`, range)
  return reading
}

/** `true` or `false`. */
export function flag() {
  return leaf(
    (text): Reading<boolean> => {
      if (text === 'true' || text === 'false') return accept(text === 'true')
      const meant = /^(yes|on|1)$/i.test(text)
        ? 'true'
        : /^(no|off|0)$/i.test(text)
          ? 'false'
          : null
      return refuse(
        `expected true or false, found ${quote(text)}`,
        meant === null ? null : `write ${meant}`,
      )
    },
    'true or false',
    { anyOf: [{ type: 'boolean' }, variable] },
  )
}

/** `false` alone, as a branch of a union; anything else is left to the other branches. */
export function off<T>(value: T) {
  return z
    .unknown()
    .transform((input, context): T => {
      if (input === false || input === 'false') return value
      const params: IssueParams = { hint: null, mismatch: true }
      context.addIssue({ code: 'custom', message: 'false', params, input })
      return z.NEVER
    })
    .meta({ const: false })
}

/** `true` alone, as a branch of a union. */
export function on<T>(value: T) {
  return z
    .unknown()
    .transform((input, context): T => {
      if (input === true) return value
      const params: IssueParams = { hint: null, mismatch: true }
      context.addIssue({ code: 'custom', message: 'true', params, input })
      return z.NEVER
    })
    .meta({ const: true })
}

/**
 * One word of a list.
 * @param later words that are planned, for which the message says so
 */
export function word<const T extends string>(words: readonly T[], later: readonly string[] = []) {
  return leaf(
    (text): Reading<T> => {
      const found = words.find((word) => word === text)
      if (found !== undefined) return accept(found)
      if (later.includes(text)) {
        return refuse(`${text} is not in this version yet`, `available: ${words.join(', ')}`)
      }
      return refuse(`${quote(text)} is unknown here`, suggest(text, words, 'available'))
    },
    `one of ${words.join(', ')}`,
    { anyOf: [{ enum: words }, variable] },
  )
}

/** A map with fixed keys. */
export function map<T extends z.ZodRawShape>(shape: T, expects = 'a map of settings') {
  return z.strictObject(shape, { error: () => expects })
}

/** A map from names that the user chooses. */
export function named<T extends z.ZodType>(value: T, expects: string, pattern = namePattern) {
  return z
    .record(z.string(), value, { error: () => expects })
    .meta({ propertyNames: { pattern: pattern.source } })
}

/** Names of listeners, pools, backends: they go into logs, labels and URLs. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** Names of header fields, as far as a colon or a blank would end them. */
export const headerNamePattern = /^[^\s:]+$/

/** Several forms of one value; the form is told by kind (scalar, map, list). */
export function either<const T extends readonly [z.ZodType, ...z.ZodType[]]>(
  expects: string,
  forms: T,
) {
  return z.union(forms, { error: () => expects })
}

/** A list, or one item without its brackets. */
export function listOf<T extends z.ZodType>(item: T, expects: string) {
  return either(expects, [
    item.transform((value): z.output<T>[] => [value]),
    z.array(item, { error: () => expects }),
  ])
}
