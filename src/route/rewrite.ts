// What a route does to the target: a rewritten path for the backend, or the address of a redirect.
// Must never make a target that is empty, or one that begins with `//` or `/\`: as a target that is
// read as another authority, and as a redirect it leads to another host.

import type { PathRewrite } from '../core/route-plan.ts'
import { hasPrefix } from './match.ts'
import { AMBIGUOUS, hasDotSegment, normalizePath, withoutQuery } from './path.ts'

/**
 * The target to forward. A path that doesn't begin with the prefix (the route matched by something
 * else) stays byte for byte; the query always does. The rest after the prefix is kept byte for byte
 * too, unless the prefix only shows in the normalised path (`/x/../api/users`, `/%61pi/users`).
 */
export function rewritePath(rewrite: PathRewrite | null, target: string): string {
  if (rewrite === null) return target
  const raw = withoutQuery(target)
  const prefix = normalizePath(rewrite.prefix)
  const path = !hasDotSegment(raw) && hasPrefix(raw, prefix) ? raw : normalizePath(raw)
  if (path === AMBIGUOUS || !hasPrefix(path, prefix)) return target
  const replacement = rewrite.kind === 'strip-prefix' ? '' : rewrite.replacement
  const rest = path.slice(prefix.length)
  return joinPath(replacement, rest) + target.slice(raw.length)
}

/**
 * The value of `Location`: `location` itself, or if it ends with `*` that without the `*` and with
 * the path and query of the request.
 */
export function redirectLocation(location: string, target: string): string {
  if (!location.endsWith('*')) return location
  const base = location.slice(0, -1)
  return joinPath(base, target === '*' ? '' : target)
}

/** Joins two parts with exactly one slash. What comes from the client can't add one before that. */
function joinPath(base: string, rest: string): string {
  if (rest === '' && base !== '') return base
  return `${base.replace(/\/+$/, '')}/${rest.replace(/^[/\\]+/, '')}`
}
