// Header names and values of the tree to those of the plan.

import type { HeaderChanges } from '../core/route-plan.ts'
import type { Path } from './diagnostics.ts'
import { readChangedHeader, readHeaderName } from './http-values.ts'
import type { Scope } from './scope.ts'
import type { Reading } from './units.ts'

/** Names in lower case, in the order of the text; names that differ in case only are reported. */
export function compileHeaders<T extends string | null>(
  path: Path,
  headers: Readonly<Record<string, T>>,
  { source, findings }: Omit<Scope, 'path'>,
  readName: (text: string) => Reading<string> = readHeaderName,
): { name: string; value: T }[] {
  const first = new Map<string, Path>()
  const result: { name: string; value: T }[] = []
  for (const key of source.keys(path)) {
    if (!Object.hasOwn(headers, key)) continue
    const place = [...path, key]
    const name = readName(key)
    if (!name.ok) {
      findings.error(place, name.message, name.hint, { on: 'key' })
      continue
    }
    const other = first.get(name.value)
    if (other === undefined) {
      first.set(name.value, place)
      result.push({ name: name.value, value: headers[key]! })
    } else {
      findings.error(place, 'is the same header as another one here', 'remove one of the two', {
        on: 'key',
        other,
      })
    }
  }
  return result
}

/** What a route does to the headers of one direction. */
export function compileChanges(
  path: Path,
  changes: { readonly set: Readonly<Record<string, string>>; readonly remove: readonly string[] },
  direction: 'request' | 'response',
  scope: Omit<Scope, 'path'>,
): HeaderChanges {
  const set = compileHeaders([...path, 'set'], changes.set, scope, readChangedHeader)
  for (const [index, name] of changes.remove.entries()) {
    const isList = scope.source.has([...path, 'remove', 0])
    const place = isList ? [...path, 'remove', index] : [...path, 'remove']
    if (direction === 'request' && name === 'host') {
      scope.findings.error(
        place,
        'a request cannot be without Host',
        'set it to another value instead',
      )
    }
    if (set.some((change) => change.name === name)) {
      scope.findings.warning(
        place,
        `${name} is also set, which replaces it anyway`,
        'remove it from this list',
      )
    }
  }
  return { set, remove: changes.remove }
}
