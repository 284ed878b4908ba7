// What sources of members have told last, kept over a restart: one small file in the state directory.
// It only helps at the start, so one that can't be read is no reason not to start, and is written over.

import { z } from 'zod'
import type { Member } from '../core/membership.ts'
import { WEIGHT_MAX } from '../core/membership.ts'
import type { Content, SafeFile } from './state-dir.ts'
import { readText } from './state-text.ts'

/** The last good answer of one source. */
export interface KeptAnswer {
  readonly pool: string
  /** What of its configuration decides who is found, in a fixed order. */
  readonly source: Readonly<Record<string, unknown>>
  /** Wall clock. */
  readonly at: number
  readonly members: readonly Member[]
}

/** Where the answers are kept. */
export interface MemberStore {
  readonly loaded: { readonly answers: readonly KeptAnswer[]; readonly warnings: readonly string[] }
  /**
   * Keeps them in place of what was kept before. One call at a time.
   * @throws StateFileError (rejects)
   */
  save(answers: readonly KeptAnswer[]): Promise<void>
}

/** Format of the file; another one is not used. */
const VERSION = 1
const NAME = 'members'
/** Of all sources together; those of further sources are not kept. */
const MEMBERS_MAX = 20_000
const ADVICE =
  'It holds what discovery was told last, which is not used now; it is written anew with the next answer'

const name = z.string().min(1)
const address = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tcp'), host: name, port: z.int().min(1).max(65_535) }),
  // A list in a file may name these.
  z.object({ kind: z.literal('unix'), path: name }),
])
const member = z.object({
  name,
  address,
  weight: z.int().min(0).max(WEIGHT_MAX),
  zone: name.nullable(),
})
const answer = z.object({
  pool: name,
  source: z.record(z.string(), z.unknown()),
  at: z.number(),
  members: z.array(member),
}) satisfies z.ZodType<KeptAnswer>
const file = z.object({ version: z.literal(VERSION), answers: z.array(answer) })

/** The text of the file. */
export function writeAnswers(answers: readonly KeptAnswer[]): string {
  let left = MEMBERS_MAX
  const kept = answers.filter(({ members }) => {
    const fits = members.length <= left
    if (fits) left -= members.length
    return fits
  })
  return `${JSON.stringify({ version: VERSION, answers: kept }, null, 1)}\n`
}

/** What a text says. */
export function readAnswers(text: string): Content<readonly KeptAnswer[]> {
  const read = readText(text, file)
  return read.kind === 'state' ? { ...read, value: read.value.answers } : read
}

/** Reads them from a state directory; `null` keeps nothing. What can't be read is a warning. */
export async function openMembers(
  dir: { file(name: string): SafeFile } | null,
): Promise<MemberStore> {
  if (dir === null) {
    return { loaded: { answers: [], warnings: [] }, save: () => Promise.resolve() }
  }
  const own = dir.file(NAME)
  return {
    loaded: await load(own),
    save: (answers) => own.write(writeAnswers(answers)),
  }
}

async function load(own: SafeFile): Promise<MemberStore['loaded']> {
  try {
    const { value, warnings } = await own.read(readAnswers, { advice: ADVICE, older: '' })
    return { answers: value ?? [], warnings }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { answers: [], warnings: [message] }
  }
}
