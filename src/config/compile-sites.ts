// The sites of a pool, and which of them each backend stands in.

import type { BackendPlan, PoolMode, SitePlan } from '../core/plan.ts'
import type { Path } from './diagnostics.ts'
import { namePattern } from './leaf.ts'
import { orderedNames } from './names.ts'
import type { FailoverTree, SitesTree } from './schema-failover.ts'
import type { Scope } from './scope.ts'
import { suggest } from './suggest.ts'
import { quote } from './units.ts'

/** The sites in order of preference; `scope.path` is the pool's. */
export function compileSites(tree: SitesTree | undefined, scope: Scope): SitePlan[] {
  if (tree === undefined) return []
  const path = [...scope.path, 'sites']
  if (!Array.isArray(tree)) {
    return orderedNames(path, tree, scope.source, scope.findings).map((name) => {
      const { class: kind, minHealthy } = tree[name]!
      return { name, kind, minHealthy }
    })
  }
  for (const [index, name] of tree.entries()) {
    if (!namePattern.test(name)) {
      scope.findings.error(
        [...path, index],
        `${quote(name)} cannot be a name`,
        'use letters, digits, dots, - and _; begin with a letter or digit; at most 64',
      )
    } else if (tree.indexOf(name) < index) {
      scope.findings.error([...path, index], 'is in this list twice', 'remove it', {
        other: [...path, tree.indexOf(name)],
      })
    }
  }
  return [...new Set(tree)].map((name) => ({ name, kind: 'hot', minHealthy: 1 }))
}

/**
 * Position of a backend's site; −1 if the pool has none.
 * @param place the backend's path
 */
export function siteOf(
  name: string | undefined,
  sites: readonly SitePlan[],
  place: Path,
  { path, source, findings }: Scope,
): number {
  if (name === undefined) {
    if (sites.length === 0) return -1
    findings.error(place, 'stands in none of the sites of this pool', `add site: ${sites[0]!.name}`)
    return -1
  }
  const names = sites.map((site) => site.name)
  const index = names.indexOf(name)
  // A site that is written but not compiled has its own errors.
  if (index >= 0 || source.has([...path, 'sites', name])) return index
  if (names.length === 0) {
    findings.error(
      [...place, 'site'],
      'this pool has no sites',
      `add sites: [${name}] to pools.${path.at(-1)}, in order of preference`,
    )
  } else {
    findings.error(
      [...place, 'site'],
      `there is no site ${quote(name)}`,
      suggest(name, names, 'sites'),
    )
  }
  return -1
}

/** What the classes of sites, their backends and the rest of the pool say together. */
export function checkSites(
  sites: readonly SitePlan[],
  backends: readonly BackendPlan[],
  pool: { readonly mode: PoolMode; readonly failover: FailoverTree },
  scope: Scope,
): void {
  const { findings, source } = scope
  const path = [...scope.path, 'sites']
  for (const [index, { name, kind, minHealthy }] of sites.entries()) {
    const place = source.has([...path, name]) ? [...path, name] : [...path, index]
    const own = source.has([...place, 'class']) ? [...place, 'class'] : place
    const count = backends.filter(({ site }) => site === index).length
    if (count === 0) {
      findings.error(place, 'no backend stands in this site', `give one site: ${name}`, {
        on: 'key',
      })
    } else if (minHealthy > count) {
      findings.error(
        [...place, 'minHealthy'],
        `${minHealthy} is more than the ${count} backend${count === 1 ? '' : 's'} of this site`,
        `make it at most ${count}`,
      )
    }
    if (kind === 'mirror' && pool.mode === 'active-standby') {
      findings.error(
        own,
        'mirror serves beside other sites, and in an active-standby pool one backend alone serves',
        'write hot, warm or cold, or mode: active-active',
      )
    }
    if (kind === 'warm' && pool.failover.promote === undefined) {
      findings.error(
        own,
        'warm takes over only after its promote hook, and there is none',
        'add failover: { promote: { exec: [/path/to/command] } }, or write hot or cold',
      )
    }
  }
  checkOrder(sites, path, scope)
}

function checkOrder(sites: readonly SitePlan[], path: Path, { findings, source }: Scope): void {
  const place = (index: number): Path => {
    const { name } = sites[index]!
    return source.has([...path, name]) ? [...path, name] : [...path, index]
  }
  if (sites.length === 1) {
    findings.note(path, 'there is one site only: no other takes over', 'add a second one', {
      on: 'key',
    })
  }
  const mirrors = sites.flatMap(({ kind }, index) => (kind === 'mirror' ? [index] : []))
  const stray = mirrors.findIndex((index, place) => place > 0 && index !== mirrors[place - 1]! + 1)
  if (stray > 0) {
    findings.error(
      place(mirrors[stray]!),
      'is a mirror apart from the other mirrors, which serve together',
      'put the mirrors next to each other',
      { other: place(mirrors[0]!) },
    )
  }
  const first = sites[0]?.kind
  if (sites.length > 1 && (first === 'warm' || first === 'cold')) {
    findings.warning(
      place(0),
      `is the preferred site, and ${first}: it would not be taken by itself at the start`,
      'let the first site be hot',
    )
  }
}
