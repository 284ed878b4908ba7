// What the files of the state directory have in common as text: JSON by a schema.

import type { z } from 'zod'
import type { Content } from './state-dir.ts'

/**
 * What a text says.
 * @param version what its `version` has to be, for a file by whose version the operator has to act
 */
export function readText<T>(text: string, schema: z.ZodType<T>, version?: number): Content<T> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { kind: 'torn' }
  }
  const read = schema.safeParse(value)
  if (read.success) return { kind: 'state', value: read.data }
  const { path = [], message = '' } = read.error.issues[0] ?? {}
  if (version !== undefined && path[0] === 'version') {
    const found = JSON.stringify((value as { version?: unknown }).version ?? 'none')
    return { kind: 'foreign', why: `its version is ${found}, and this Evenkeel knows ${version}` }
  }
  return { kind: 'foreign', why: `${path.join('.') || 'its content'}: ${message}` }
}
