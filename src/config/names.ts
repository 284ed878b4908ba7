// Maps whose keys people choose: their order, and which names are allowed.

import type { Path, Source } from './diagnostics.ts'
import type { Findings } from './findings.ts'
import { namePattern } from './leaf.ts'
import { quote } from './units.ts'

/**
 * Names in the order of the text, as JavaScript would put those made of digits first. A name that
 * cannot go into labels and URLs is reported.
 */
export function orderedNames(
  path: Path,
  map: object,
  source: Source,
  findings: Findings,
): string[] {
  const names = source.keys(path).filter((name) => Object.hasOwn(map, name))
  for (const name of names) {
    if (namePattern.test(name)) continue
    findings.error(
      [...path, name],
      `${quote(name)} cannot be a name`,
      'use letters, digits, dots, - and _; begin with a letter or digit; at most 64',
      { on: 'key' },
    )
  }
  return names
}
