// Holds queries and bodies to their schemas, and says in one sentence what is wrong with them.

import type { z } from 'zod'
import { nearest } from '../core/nearest.ts'
import type { Answer } from './answer.ts'
import { problem } from './problem.ts'

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly answer: Answer }

/** Holds a value to its schema. `what` names it: `body`, `query`. */
export function readInput<T>(
  value: unknown,
  schema: z.ZodType<T>,
  what: 'body' | 'query',
): Read<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return { ok: true, value: parsed.data }
  const keys = keysOf(schema)
  const { issues } = parsed.error
  // A mistyped key makes its right name missing, too: the typing error is the news.
  const first = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!
  return bad(sentenceOf(first, keys, what))
}

/** The parameters of a URL as an object. The same one twice is a mistake, or an attempt to confuse. */
export function readQuery(search: string): Read<Readonly<Record<string, string>>> {
  // Without a prototype, so that a parameter `__proto__` is one like any other.
  const values = Object.create(null) as Record<string, string>
  for (const [name, value] of new URLSearchParams(search)) {
    if (name in values) return bad(`The parameter '${name}' is there twice.`)
    values[name] = value
  }
  return { ok: true, value: values }
}

/** A value that is not what was asked for. */
export function bad(detail: string): { readonly ok: false; readonly answer: Answer } {
  return { ok: false, answer: problem('bad-request', detail) }
}

function sentenceOf(
  issue: z.core.$ZodIssue,
  known: readonly string[],
  what: 'body' | 'query',
): string {
  if (issue.code === 'unrecognized_keys' && issue.path.length === 0) {
    return unknownKey(issue.keys[0]!, known, what)
  }
  if (issue.path.length === 0) {
    if (what === 'body' && known.length > 0) {
      return `The body must be a JSON object with ${list(known)}.`
    }
    return `The ${what} ${issue.message}.`
  }
  const name = issue.path.map(String).join('.')
  // Our own words are the rest of a sentence; the library's are one of their own.
  const ours = /^[a-z]/.test(issue.message)
  return ours ? `'${name}' ${issue.message}.` : `'${name}': ${issue.message}.`
}

function unknownKey(name: string, known: readonly string[], what: 'body' | 'query'): string {
  const noun = what === 'body' ? 'key' : 'parameter'
  if (known.length === 0) return `There is no ${noun} '${name}': none is taken here.`
  const near = nearest(name, known)
  const hint = near === null ? `there are ${list(known)}` : `did you mean '${near}'?`
  return `There is no ${noun} '${name}': ${hint}`
}

function keysOf(schema: z.ZodType): readonly string[] {
  return 'shape' in schema ? Object.keys(schema.shape as object) : []
}

function list(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ')
}
