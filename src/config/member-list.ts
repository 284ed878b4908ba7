// The text of a file of members: a list of addresses, or of maps with address, name, weight, zone,
// or the map from names to addresses that `backends` takes. YAML, and so JSON. It comes from
// somebody else's hand, so `${...}` is not followed in it: it could ask for any file or variable.

import { z } from 'zod'
import type { Found } from '../core/membership.ts'
import { readBackendAddress } from './address.ts'
import { diagnose, type Diagnostic } from './diagnostics.ts'
import { depthExceededAt, parseYaml } from './document.ts'
import { problemsOf } from './issues.ts'
import { addressJson, either, integer, map, named, namePattern, text } from './leaf.ts'
import { accept, quote, type Reading, refuse } from './units.ts'

/** A list of members, or where and why it is none. */
export type MemberList =
  | { readonly ok: true; readonly found: readonly Found[] }
  | { readonly ok: false; readonly reason: string }

const address = text('an address such as 10.0.0.1:8080', readMemberAddress, addressJson)

// Who writes `name: ...` gets that name, or is told why not.
function readName(name: string): Reading<string> {
  if (namePattern.test(name)) return accept(name)
  return refuse(`${quote(name)} cannot be a name`, 'use letters, digits, dots, - and _')
}

function readMemberAddress(text: string) {
  if (text.includes('${')) return refuse('${...} is not followed in this file')
  return readBackendAddress(text)
}

const settings = {
  address,
  weight: integer(0, 65_535).prefault(1),
  zone: text('a name').optional(),
}
const entry = map({ ...settings, name: text('a name', readName).optional() })
const whole = 'a list of addresses, or a map from names to addresses'
const expected = 'an address, or a map with address, weight, ...'

const listSchema = either(whole, [
  z.array(either(expected, [address.transform((address) => ({ address })), entry])),
  named(either(expected, [address.transform((address) => ({ address })), map(settings)]), whole),
])

/** Reads the text of a file of members. The reason tells line and column. */
export function readMemberList(content: string, file: string): MemberList {
  const line = depthExceededAt(content)
  if (line > 0) return { ok: false, reason: `line ${line}: it nests too deeply` }
  const { tree, source, diagnostics } = parseYaml(content, file, { env: {}, readFile: refuseFile })
  if (tree === undefined || diagnostics.length > 0) return wrong(diagnostics)
  // A file that was emptied is a list of nobody, which its pool may refuse.
  if (tree === null) return { ok: true, found: [] }
  const parsed = listSchema.safeParse(tree)
  if (parsed.success) return { ok: true, found: foundIn(parsed.data) }
  const problems = problemsOf(parsed.error.issues, tree)
  return wrong(problems.map((problem) => diagnose(problem, source)))
}

function refuseFile(): never {
  throw new Error('files are not read from here')
}

function wrong(diagnostics: readonly Diagnostic[]): MemberList {
  const first = diagnostics[0]
  if (first === undefined) return { ok: false, reason: 'it cannot be read' }
  const { line, column, path, message, hint } = first
  const where = line > 0 ? `line ${line}, column ${column}: ` : ''
  const what = path === '' ? '' : `${path}: `
  const advice = hint === null ? '' : ` (${hint})`
  return { ok: false, reason: `${where}${what}${message}${advice}` }
}

function foundIn(list: z.output<typeof listSchema>): readonly Found[] {
  const entries = Array.isArray(list)
    ? list.map((one) => ({ name: 'name' in one ? (one.name ?? null) : null, one }))
    : Object.entries(list).map(([name, one]) => ({ name, one }))
  return entries.map(({ name, one }): Found => {
    const { weight = 1, zone = null } = 'weight' in one ? one : {}
    return { name, address: one.address, weight, zone }
  })
}
