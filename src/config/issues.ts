// The schema's findings as problems in our words, and the tree without the parts they are about, so
// that everything else can be checked in the same run.

import type { z } from 'zod'
import type { Tree } from './document.ts'
import type { Path, Problem } from './diagnostics.ts'
import { describeKeys } from './known-keys.ts'
import type { IssueParams } from './leaf.ts'
import { quote } from './units.ts'

type Issue = z.core.$ZodIssue

/** Message for a required key that is not there. */
export const missing = 'is missing'

/** All findings of a failed parse. */
export function problemsOf(issues: readonly Issue[], tree: Tree): Problem[] {
  const problems = issues.flatMap((issue) => explain(issue, tree, []))
  // A required key that is missing because its name is misspelled is one mistake, not two.
  const meant = new Set(problems.map(({ path, hint }) => meantKey(path, hint)))
  return problems.filter(
    ({ path, message }) => message !== missing || !meant.has(JSON.stringify(path)),
  )
}

function meantKey(path: Path, hint: string | null): string {
  const key = /^did you mean (\S+)\?$/.exec(hint ?? '')?.[1]
  return key === undefined ? '' : JSON.stringify([...path.slice(0, -1), key])
}

function explain(issue: Issue, tree: Tree, prefix: Path): Problem[] {
  const path = [...prefix, ...(issue.path as (string | number)[])]
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        severity: 'error',
        path: [...path, key],
        on: 'key',
        ...describeKeys(path, key),
      }))
    case 'invalid_union':
      return explainUnion(issue, tree, path)
    case 'custom': {
      const { hint, mismatch } = issue.params as unknown as IssueParams
      if (mismatch === true) return [wrongKind(path, issue.message, tree)]
      return [{ severity: 'error', path, on: 'value', message: issue.message, hint }]
    }
    default:
      return [wrongKind(path, issue.message, tree)]
  }
}

// Each branch of a union takes another kind of value; the one that took this kind knows what is
// wrong inside it.
function explainUnion(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  tree: Tree,
  path: Path,
): Problem[] {
  const branch = issue.errors.find((issues) => !issues.some(isMismatch))
  if (branch === undefined) return [wrongKind(path, issue.message, tree)]
  return branch.flatMap((inner) => explain(inner, tree, path))
}

function isMismatch(issue: Issue): boolean {
  if (issue.path.length > 0) return false
  if (issue.code === 'custom') return (issue.params as unknown as IssueParams).mismatch === true
  if (issue.code === 'invalid_union') return issue.errors.every((issues) => issues.some(isMismatch))
  return issue.code === 'invalid_type'
}

function wrongKind(path: Path, expects: string, tree: Tree): Problem {
  const value = valueAt(tree, path)
  const base = { severity: 'error', path, on: 'value' } as const
  if (value === undefined) return { ...base, message: missing, hint: `expected ${expects}` }
  if (value === null) return { ...base, message: 'is empty', hint: `expected ${expects}` }
  // `bind:8080` is one word for YAML.
  const glued = typeof value === 'string' ? /^(\w+):(\S.*)$/.exec(value) : null
  const hint =
    glued !== null && / map/.test(expects) && !/^\d/.test(value as string)
      ? `if a key is meant, put a space after its colon: ${glued[1]}: ${glued[2]}`
      : null
  return { ...base, message: `expected ${expects}, found ${kindOf(value)}`, hint }
}

function kindOf(value: Tree): string {
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a map' : quote(String(value))
}

function valueAt(tree: Tree, path: Path): Tree | undefined {
  let node: Tree | undefined = tree
  for (const part of path) {
    if (node === null || typeof node !== 'object') return undefined
    node = (node as Record<string | number, Tree>)[part]
  }
  return node
}

/** A copy of the tree without what is at these paths. */
export function prune(tree: Tree, paths: readonly Path[]): Tree {
  const gone = new Set(paths.map((path) => JSON.stringify(path)))
  const touched = new Set(
    paths.flatMap((path) => path.map((_, length) => JSON.stringify(path.slice(0, length)))),
  )
  const copy = (node: Tree, path: Path): Tree => {
    if (node === null || typeof node !== 'object' || !touched.has(JSON.stringify(path))) return node
    if (Array.isArray(node)) {
      return node
        .map((item: Tree, index) => [copy(item, [...path, index]), [...path, index]] as const)
        .filter(([, place]) => !gone.has(JSON.stringify(place)))
        .map(([item]) => item)
    }
    const result: Record<string, Tree> = Object.create(null)
    for (const [key, value] of Object.entries(node)) {
      const place = [...path, key]
      if (!gone.has(JSON.stringify(place))) result[key] = copy(value, place)
    }
    return result
  }
  return copy(tree, [])
}
