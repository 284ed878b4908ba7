// A path of the admin API: what it takes, what it gives, who may use it, described once for the
// router, the checks and the OpenAPI document. Others make theirs with `readRoute` and `changeRoute`
// and hand them to the server.
// A change can't be written without its audit: it returns an `Outcome`, and the frame (carry-out.ts)
// turns that into the answer and exactly one `operator` event.

import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'
import type { Answer } from './answer.ts'
import type { ProblemCode } from './problem.ts'

/** `open`: everybody. `read`: who may look. `change`: who may change something. */
export type Access = 'open' | 'read' | 'change'

/** Groups of paths in the documentation. */
export type Tag =
  | 'process'
  | 'pools'
  | 'backends'
  | 'config'
  | 'events'
  | 'reports'
  | 'alerts'
  | 'page'

/** An object of texts; its keys are the parameters. Strict: an unknown one is refused. */
export type QuerySchema = z.ZodObject

/** What a route answers when all is well. */
export interface Result {
  /** One sentence. */
  readonly says: string
  /** Default: `application/json`. */
  readonly type?: string
  /** Of the JSON body; a test holds answers to it. */
  readonly schema?: z.ZodType
  readonly example?: unknown
}

/** Who asks. */
export interface Caller {
  /** For the audit: the client's address or `unix socket`, and how it was let in. */
  readonly from: string
  /** Name that its certificate proves; `null` without one. */
  readonly name: string | null
}

type Names<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Names<Rest>
  : never

/** The decoded parameters of a path: `{ pool: string }` for `/v1/pools/{pool}`. */
export type Params<Path extends string> = Readonly<Record<Names<Path>, string>>

/** A request on its way to its answer. */
export interface Call<P = Readonly<Record<string, string>>, Q = unknown> {
  readonly params: P
  readonly query: Q
  readonly headers: IncomingHttpHeaders
  readonly who: Caller
}

/** A change on its way to its outcome. */
export interface ChangeCall<
  P = Readonly<Record<string, string>>,
  Q = unknown,
  B = unknown,
> extends Call<P, Q> {
  readonly body: B
  /** Only say what would happen: `?dryRun=true`, or `dryRun` of the body. */
  readonly dryRun: boolean
  /** Who asked, for records: what the client says of itself, bound to what it proved. */
  readonly by: string
  /** `''` if none was given and the route needs none. */
  readonly reason: string
}

/** What became of a change. */
export type Outcome =
  | {
      readonly ok: true
      /** One sentence: what was done, or for a dry run what would be. */
      readonly message: string
      /** Further members of the answer, besides `message`. */
      readonly body?: Readonly<Record<string, unknown>>
      readonly headers?: Readonly<Record<string, string>>
    }
  | {
      readonly ok: false
      readonly code: ProblemCode
      /** One sentence: why not, and what to do. */
      readonly message: string
      /** Further members of the problem, such as what there is instead. */
      readonly body?: Readonly<Record<string, unknown>>
    }

interface Shape {
  /** Absolute, with parameters: `/v1/pools/{pool}`. */
  readonly path: string
  readonly tag: Tag
  /** A few words, no full stop: `all pools and their backends`. */
  readonly summary: string
  /** Further sentences for the documentation (Markdown). */
  readonly description?: string
  /** Absent: the query is ignored (reading) or must be empty (changes). */
  readonly query?: QuerySchema
  readonly result: Result
  /** What it can refuse, besides what every path can. */
  readonly problems?: readonly ProblemCode[]
}

export interface ReadRoute extends Shape {
  /** Answers HEAD, too. */
  readonly method: 'GET'
  readonly access: 'open' | 'read'
  answer(call: Call): Answer | Promise<Answer>
}

export interface ChangeRoute extends Shape {
  readonly method: 'POST' | 'PUT' | 'DELETE'
  readonly access: 'change'
  /** What it is called in the audit: `drain`. Who is `pool` and `backend` is read from the path. */
  readonly verb: string
  /**
   * A strict object with `reason` and `by` among its keys; for another content type a string.
   * Absent: no body.
   */
  readonly body?: z.ZodType
  /** Content types that the body may have; default: JSON. */
  readonly bodyTypes?: readonly string[]
  /** Default: 16 KiB. */
  readonly bodyBytesMax?: number
  /** It can only say what it would do. */
  readonly dryRun?: boolean
  /** How long a client waits before it hears 202 (the change goes on); default 2 minutes. */
  readonly waitMs?: number
  readonly example?: unknown
  /** What the audit notes besides who and why; default: the body. Never a secret. */
  wishes?(call: ChangeCall): Readonly<Record<string, unknown>>
  /** Carries it out, or says why not. Throws only for errors of our own. */
  change(call: ChangeCall): Outcome | Promise<Outcome>
}

export type Route = ReadRoute | ChangeRoute

type Output<Schema extends z.ZodType | undefined> = Schema extends z.ZodType
  ? z.output<Schema>
  : Readonly<Record<string, string>>

interface ReadSpec<Path extends string, Q extends QuerySchema | undefined> extends Omit<
  ReadRoute,
  'method' | 'access' | 'path' | 'query' | 'answer'
> {
  readonly path: Path
  readonly query?: Q
  /** Default: `read`. */
  readonly access?: 'open' | 'read'
  answer(call: Call<Params<Path>, Output<Q>>): Answer | Promise<Answer>
}

/** A path that tells something. */
export function readRoute<const Path extends string, Q extends QuerySchema | undefined = undefined>(
  spec: ReadSpec<Path, Q>,
): ReadRoute {
  return { access: 'read', ...spec, method: 'GET' } as ReadRoute
}

/** What a body can be besides: whatever its schema makes of it, with the words of an audit. */
type Signed = { readonly reason?: string | undefined; readonly by?: string | undefined } | string

interface ChangeSpec<
  Path extends string,
  Q extends QuerySchema | undefined,
  B extends z.ZodType<Signed> | undefined,
> extends Omit<ChangeRoute, 'method' | 'access' | 'path' | 'query' | 'body' | 'wishes' | 'change'> {
  readonly path: Path
  readonly query?: Q
  readonly body?: B
  /** Default: POST. */
  readonly method?: 'POST' | 'PUT' | 'DELETE'
  wishes?(call: ChangeCall<Params<Path>, Output<Q>, Output<B>>): Readonly<Record<string, unknown>>
  change(call: ChangeCall<Params<Path>, Output<Q>, Output<B>>): Outcome | Promise<Outcome>
}

/** A path that changes something, and leaves exactly one `operator` event. */
export function changeRoute<
  const Path extends string,
  Q extends QuerySchema | undefined = undefined,
  B extends z.ZodType<Signed> | undefined = undefined,
>(spec: ChangeSpec<Path, Q, B>): ChangeRoute {
  return { method: 'POST', ...spec, access: 'change' } as unknown as ChangeRoute
}
