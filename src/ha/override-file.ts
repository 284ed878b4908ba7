// What operators have changed while it ran, kept over a restart and a crash: one small file in the
// state directory. Must never guess: a text that is not exactly such a file is not read as one.

import { z } from 'zod'
import type { Overrides } from '../core/overrides.ts'
import type { Content, SafeFile } from './state-dir.ts'
import { readText } from './state-text.ts'

/** Where overrides are kept. */
export interface OverrideStore {
  readonly loaded: { readonly overrides: Overrides; readonly warnings: readonly string[] }
  /** They outlive a restart. */
  readonly isKept: boolean
  /**
   * Keeps them in place of what was kept before. One call at a time.
   * @throws StateFileError (rejects)
   */
  save(overrides: Overrides): Promise<void>
}

/** Format of the file; another one is refused. */
const VERSION = 1
const NAME = 'overrides'

const name = z.string().min(1)
const signature = { by: z.string(), reason: z.string(), at: z.number() }
const address = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tcp'), host: name, port: z.int().min(1).max(65_535) }),
  z.object({ kind: z.literal('unix'), path: name }),
])
const member = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('added'),
    address,
    weight: z.number().nonnegative(),
    zone: name.nullable(),
    site: name.nullable(),
  }),
  z.object({ kind: z.literal('removed') }),
])
const weight = z.object({ kind: z.enum(['absolute', 'share']), value: z.number().nonnegative() })
const override = z.object({
  pool: name,
  backend: name,
  admin: z.object({ state: z.enum(['drain', 'maint']), ...signature }).nullable(),
  weight: z.object({ wish: weight, ...signature }).nullable(),
  member: z.object({ wish: member, ...signature }).nullable(),
  goneSince: z.number().nullable(),
})
const file = z.object({ version: z.literal(VERSION), overrides: z.array(override) })

/** The text of the file. */
export function writeOverrides(overrides: Overrides): string {
  return `${JSON.stringify({ version: VERSION, overrides }, null, 2)}\n`
}

/** What a text says. */
export function readOverrides(text: string): Content<Overrides> {
  const read = readText(text, file, VERSION)
  return read.kind === 'state' ? { ...read, value: read.value.overrides } : read
}

/**
 * Reads them from a state directory; `null` keeps nothing.
 * @throws StateFileError when they can't be read
 */
export async function openOverrides(
  dir: { file(name: string): SafeFile } | null,
): Promise<OverrideStore> {
  if (dir === null) {
    const loaded = { overrides: [], warnings: [] }
    return { loaded, isKept: false, save: () => Promise.resolve() }
  }
  const file = dir.file(NAME)
  const { value, isOlder, warnings } = await file.read(readOverrides, {
    advice: `It holds which backends an operator has drained, taken out for maintenance, weighed, added or removed; none of that is dropped without your word: restore it, or remove it and ${NAME}.json.old to begin with the configuration alone`,
    older: ', so the last change of an operator may be missing: compare with evenkeel status',
  })
  const overrides = value ?? []
  // From here on the damaged one must not become the one before.
  if (isOlder) await file.write(writeOverrides(overrides))
  return {
    loaded: { overrides, warnings },
    isKept: true,
    save: (next) => file.write(writeOverrides(next)),
  }
}
