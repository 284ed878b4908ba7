// What compiling a part of the tree needs beside that part, and how it refers to pools.

import type { PoolMode } from '../core/plan.ts'
import type { Path, Source } from './diagnostics.ts'
import type { Findings } from './findings.ts'
import type { ReadSides } from './read-side.ts'
import { suggest } from './suggest.ts'
import { quote } from './units.ts'

export interface Scope {
  /** Where the part stands. */
  readonly path: Path
  readonly source: Source
  readonly findings: Findings
}

/** A scope in which pools can be named. */
export interface PoolScope extends Scope {
  readonly pools: readonly NamedPool[]
  readonly readSides: ReadSides
}

/** What a reference to a pool needs to know of it. */
export interface NamedPool {
  readonly name: string
  readonly mode: PoolMode
}

/**
 * Position of a pool by the `pool` and `role` of the map at `scope.path`; −1 for an unknown one,
 * which is reported.
 */
export function findPool(
  { pool: name, role }: { readonly pool: string; readonly role: 'primary' | 'replica' },
  { path, pools, readSides, findings }: PoolScope,
): number {
  const names = pools.map((pool) => pool.name)
  const index = names.indexOf(name)
  const place = [...path, 'pool']
  if (names.length === 0) {
    findings.error(place, 'there are no pools', `add pools: { ${name}: { backends: [...] } }`)
  } else if (index < 0) {
    findings.error(place, `there is no pool ${quote(name)}`, suggest(name, names, 'pools'))
  } else if (role === 'replica') {
    if (pools[index]!.mode === 'active-standby') return readSides.of(index)
    findings.error(
      [...path, 'role'],
      `replica is for active-standby pools, and in ${name} all backends serve`,
      'remove it, or write mode: active-standby there',
      { other: ['pools', name] },
    )
  }
  return index
}
