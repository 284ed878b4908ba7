// Routes in the compiled configuration (core/plan.ts): what they match, and what they do with the
// request and its response. Plain data, as the plan is.

/** A match on a request and what follows from it. */
export interface RoutePlan {
  /** How config and messages name it: its `name`, else `#1`, `#2`, … within its listener. */
  readonly name: string
  readonly match: RouteMatch
  readonly action: RouteAction
  /** Changes the path before it goes to the backend; `null` leaves it byte for byte. */
  readonly rewrite: PathRewrite | null
  readonly requestHeaders: HeaderChanges
  readonly responseHeaders: HeaderChanges
}

/** All given parts must match; an absent part matches everything. */
export interface RouteMatch {
  /** Lower case, without port: exact (`a.example`), or any subdomain (`*.example`). */
  readonly hosts: readonly string[] | null
  /** Matches a path that begins with it at a segment border, or with it literally if it ends in `/`. */
  readonly pathPrefix: string | null
  readonly pathExact: string | null
  /** Upper case. */
  readonly methods: readonly string[] | null
  /** Name in lower case; `value: null` asks only for presence. */
  readonly headers: readonly { readonly name: string; readonly value: string | null }[]
}

export type RouteAction =
  | { readonly kind: 'pool'; readonly pool: number }
  | {
      readonly kind: 'redirect'
      readonly status: 301 | 302 | 303 | 307 | 308
      /** Target; `${path}`-free: the request's path and query are appended if it ends with `*`. */
      readonly location: string
    }
  | {
      readonly kind: 'respond'
      readonly status: number
      readonly body: string
      readonly contentType: string
    }

export type PathRewrite =
  | { readonly kind: 'strip-prefix'; readonly prefix: string }
  | { readonly kind: 'replace-prefix'; readonly prefix: string; readonly replacement: string }

/** `remove` runs before `set`. Names in lower case. */
export interface HeaderChanges {
  readonly set: readonly { readonly name: string; readonly value: string }[]
  readonly remove: readonly string[]
}
