// Finds the route of a request among those handed in. Paths are matched as they came, segment by
// segment: no dot segments, no doubled slashes, no second decoding, so there is one spelling of each.

import type { Answer } from './answer.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'

/** The route of a request, or why there is none. */
export type Found =
  | {
      readonly ok: true
      readonly route: Route
      readonly params: Readonly<Record<string, string>>
    }
  | { readonly ok: false; readonly answer: Answer }

interface Entry {
  readonly route: Route
  readonly segments: readonly Segment[]
}

/** A parameter if it has a name, else the text itself. */
interface Segment {
  readonly name: string | null
  readonly text: string
}

export class Router {
  readonly #entries: readonly Entry[]

  /** @throws Error when two routes could mean the same request */
  constructor(routes: readonly Route[]) {
    const seen = new Set<string>()
    for (const { method, path } of routes) {
      const key = `${method} ${path.replaceAll(/\{[^}]*\}/g, '{}')}`
      if (seen.has(key)) throw new Error(`two routes of the admin API are ${key}`)
      seen.add(key)
    }
    // A literal segment means more than a parameter: `/v1/config/reload` before `/v1/{a}/{b}`.
    this.#entries = routes
      .map((route) => ({ route, segments: segmentsOf(route.path) }))
      .sort((a, b) => specificity(a).localeCompare(specificity(b)))
  }

  /** @param path of the request target, without its query */
  find(method: string, path: string): Found {
    const parts = path.split('/')
    const here: Entry[] = []
    for (const entry of this.#entries) {
      const params = match(entry.segments, parts)
      if (params === null) continue
      const { route } = entry
      if (route.method === method || (route.method === 'GET' && method === 'HEAD')) {
        return { ok: true, route, params }
      }
      here.push(entry)
    }
    return { ok: false, answer: here.length > 0 ? wrongMethod(path, here) : this.#unknown(path) }
  }

  #unknown(path: string): Answer {
    const paths = Object.fromEntries(
      this.#entries.map(({ route: { method, path, summary } }) => [
        method === 'GET' ? path : `${method} ${path}`,
        summary,
      ]),
    )
    return problem('no-path', `There is nothing at '${path}'.`, { paths })
  }
}

function segmentsOf(path: string): readonly Segment[] {
  return path.split('/').map((text) => ({ name: /^\{(\w+)\}$/.exec(text)?.[1] ?? null, text }))
}

function specificity({ segments }: Entry): string {
  return segments.map(({ name }) => (name === null ? '0' : '1')).join('')
}

function match(
  segments: readonly Segment[],
  parts: readonly string[],
): Readonly<Record<string, string>> | null {
  if (parts.length !== segments.length) return null
  if (!segments.every(({ name, text }, i) => name !== null || text === parts[i])) return null
  const params: Record<string, string> = {}
  for (const [i, { name }] of segments.entries()) {
    if (name === null) continue
    const value = decode(parts[i]!)
    if (value === null || value === '') return null
    params[name] = value
  }
  return params
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

function wrongMethod(path: string, entries: readonly Entry[]): Answer {
  const methods = entries.flatMap(({ route: { method } }) =>
    method === 'GET' ? ['GET', 'HEAD'] : [method],
  )
  const allow = [...new Set(methods)].join(', ')
  const detail = methods.includes('GET')
    ? methods.length === 2
      ? `${path} can be read and nothing else: use GET.`
      : `${path} takes ${allow}.`
    : `${path} changes something: use ${allow}.`
  return problem('wrong-method', detail, {}, { allow })
}
