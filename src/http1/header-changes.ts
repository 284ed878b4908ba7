// The header changes of a route, compiled once: which names they take over, and the lines they add.
// Framing stays ours: nothing here can touch Content-Length, Transfer-Encoding or Connection.

import type { HeaderChanges } from '../core/route-plan.ts'

/** Header changes in the form in which forwarding needs them. */
export interface CompiledChanges {
  /** Lower-case names whose incoming and generated lines are left out. */
  readonly names: readonly string[]
  /** The lines to add, each ending in CRLF. */
  readonly lines: string
  /** A value for Host, `null` to leave it. */
  readonly host: string | null
}

/** Changes nothing. */
const NO_CHANGES: CompiledChanges = { names: [], lines: '', host: null }

const UNTOUCHABLE = new Set(['content-length', 'transfer-encoding', 'connection', 'host'])

const compiled = new WeakMap<HeaderChanges, CompiledChanges>()

/** The compiled form of `changes`; made at its first use, for a plan's changes never vary. */
export function compileChanges(changes: HeaderChanges | null): CompiledChanges {
  if (changes === null) return NO_CHANGES
  let result = compiled.get(changes)
  if (result === undefined) {
    result = compile(changes)
    compiled.set(changes, result)
  }
  return result
}

function compile(changes: HeaderChanges): CompiledChanges {
  const names = new Set<string>()
  let lines = ''
  let host: string | null = null
  for (const name of changes.remove) if (!UNTOUCHABLE.has(name)) names.add(name)
  for (const { name, value } of changes.set) {
    if (name === 'host') host = value
    if (UNTOUCHABLE.has(name)) continue
    names.add(name)
    lines += `${name}: ${value}\r\n`
  }
  return { names: [...names], lines, host }
}
