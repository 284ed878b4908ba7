// Tree to plan or diagnostics, wherever the tree came from: schema, then cross-checks. When the
// schema finds errors, the cross-checks run on what is left, so that one run tells everything.

import type { Plan } from '../core/plan.ts'
import { compile } from './compile.ts'
import {
  type Diagnostic,
  diagnose,
  type Path,
  type Problem,
  type Severity,
  type Source,
} from './diagnostics.ts'
import type { Tree } from './document.ts'
import { missing, problemsOf, prune } from './issues.ts'
import { configSchema } from './schema.ts'
import { withoutQuotes } from './secret-text.ts'

export type LoadResult =
  | {
      readonly ok: true
      readonly plan: Plan
      readonly warnings: readonly Diagnostic[]
      /** Advice for `evenkeel check`, not for every start. */
      readonly notes: readonly Diagnostic[]
    }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] }

/** What reading the text has found so far. */
export interface Draft {
  readonly tree: Tree
  readonly source: Source
  readonly diagnostics: readonly Diagnostic[]
  /** Paths with an error in `diagnostics`: what is found there means nothing. */
  readonly failed: readonly Path[]
}

/** Validates and compiles. */
export function evaluate({ tree, source, diagnostics, failed }: Draft): LoadResult {
  const parsed = failed.length === 0 ? configSchema.safeParse(tree) : null
  if (parsed?.success === true) {
    const { plan, problems } = compile(parsed.data, source)
    const found = [...diagnostics, ...problems.map((problem) => point(problem, source))]
    const errors = only('error', found)
    // Warnings of the cross-checks may only echo the errors.
    if (errors.length > 0) return failure([...only('warning', diagnostics), ...errors])
    return { ok: true, plan, warnings: inOrder(only('warning', found)), notes: only('note', found) }
  }
  const problems = salvage(tree, source, failed)
  return failure([...diagnostics, ...problems.map((problem) => point(problem, source))])
}

/** A result that is no plan. */
export function failure(diagnostics: readonly Diagnostic[]): LoadResult {
  return { ok: false, diagnostics: inOrder(diagnostics) }
}

// In the order of the text, each once: an anchor used twice has its errors twice.
function inOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>()
  const unique = diagnostics.filter(({ line, column, path, message }) => {
    const key = JSON.stringify([line, column, line > 0 ? '' : path, message])
    const isNew = !seen.has(key)
    seen.add(key)
    return isNew
  })
  return unique.sort((a, b) => a.line - b.line || (a.line > 0 ? a.column - b.column : 0))
}

function only(severity: Severity, diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return diagnostics.filter((diagnostic) => diagnostic.severity === severity)
}

function point(problem: Problem, source: Source): Diagnostic {
  // What a secret holds must not get into a log by way of the complaint about it; one about its key
  // does not tell it.
  if (problem.on === 'key') return diagnose(problem, source)
  if (!source.isSecret(problem.path)) {
    return diagnose({ ...problem, message: withoutQuotes(problem.message, problem.path) }, source)
  }
  const message = 'the secret does not fit here'
  return diagnose({ ...problem, message, hint: null }, source)
}

const roundsMax = 8

// Takes out what the schema refuses until it accepts the rest, then checks that.
function salvage(tree: Tree, source: Source, failed: readonly Path[]): Problem[] {
  const gone: Path[] = [...failed]
  const shadows: Path[] = failed.map(shadowOf)
  const problems: Problem[] = []
  for (let round = 0; round < roundsMax; round++) {
    const rest = prune(tree, gone)
    const parsed = configSchema.safeParse(rest)
    if (parsed.success) {
      const cross = compile(parsed.data, source).problems
      return [...problems, ...cross.filter((problem) => isCertain(problem, gone, shadows))]
    }
    const found = problemsOf(parsed.error.issues, rest)
    // Later rounds find only what is missing because it was taken out.
    if (round === 0) problems.push(...found.filter(({ path }) => !isBelow(path, gone)))
    for (const problem of found) {
      const path = problem.message === missing ? problem.path.slice(0, -1) : problem.path
      gone.push(path)
      // A key that means nothing has no influence, unless another one was meant by it.
      const isInert = problem.on === 'key' && problem.hint?.startsWith('did you mean') !== true
      shadows.push(isInert ? path : shadowOf(path))
    }
    if (gone.some((path) => path.length === 0)) break
  }
  return problems
}

function isBelow(path: Path, gone: readonly Path[]): boolean {
  return gone.some((taken) => startsWith(path, taken))
}

// The part of the tree in which a setting that was taken out may have an influence.
function shadowOf(path: Path): Path {
  const isWhole = path.length === 2 && (path[0] === 'pools' || path[0] === 'listeners')
  return isWhole ? path : path.slice(0, -1)
}

// Whether a cross-check would have found this error too if nothing had been taken out.
function isCertain(problem: Problem, gone: readonly Path[], shadows: readonly Path[]): boolean {
  const { severity, path, message, other } = problem
  if (severity !== 'error') return false
  if (gone.some((taken) => startsWith(taken, path))) return false
  const isReference = message.startsWith('there is no pool ')
  if (!isReference && shadows.some((shadow) => startsWith(path, shadow))) return false
  // What contradicts another place is as doubtful as that place.
  if (other !== undefined && shadows.some((shadow) => isRelated(other, shadow))) return false
  const pools = gone.flatMap(([section, name]) => (section === 'pools' ? [name] : []))
  if (pools.length > 0 && message === 'there are no pools') return false
  return !pools.some((name) => message === `there is no pool "${name}"`)
}

function isRelated(one: Path, two: Path): boolean {
  return startsWith(one, two) || startsWith(two, one)
}

function startsWith(path: Path, start: Path): boolean {
  return start.every((part, index) => path[index] === part)
}
