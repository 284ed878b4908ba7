// What compiling a part of the tree needs beside that part, and how it refers to pools.

import type { Path, Source } from './diagnostics.ts'
import type { Findings } from './findings.ts'
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
  /** Names of all pools, in order. */
  readonly pools: readonly string[]
}

/** Index of a pool by name; an unknown one is reported. */
export function findPool(path: Path, name: string, { pools, findings }: PoolScope): number {
  const index = pools.indexOf(name)
  if (index >= 0) return index
  if (pools.length === 0) {
    findings.error(path, 'there are no pools', `add pools: { ${name}: { backends: [...] } }`)
  } else {
    findings.error(path, `there is no pool ${quote(name)}`, suggest(name, pools, 'pools'))
  }
  return index
}
