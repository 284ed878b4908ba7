// The OpenAPI 3.1 document, made from the routes themselves: there is no second list to forget.
// docs/openapi.json is this, printed by runtime/print-openapi.ts; a test compares the two.

import { z } from 'zod'
import { json } from './answer.ts'
import type { ProblemCode } from './problem.ts'
import { PROBLEMS } from './problem.ts'
import type { ChangeRoute, Result, Route } from './route.ts'
import { readRoute } from './route.ts'
import { problemSchema } from './schemas.ts'

type Json = Record<string, unknown>

const INTRODUCTION = `What runs, how it is, and what an operator asks for. Over a unix socket or from
this machine by default; from the network with a bearer token or a client certificate. Errors are
problem details (RFC 9457) with a \`code\` of a closed list.`

/** The path that serves the document of all routes, this one included. */
export function openApiRoute(routes: readonly Route[]): Route {
  let document: Json | null = null
  const route: Route = readRoute({
    path: '/v1/openapi.json',
    tag: 'process',
    summary: 'this API as an OpenAPI 3.1 document',
    result: { says: 'The document.', schema: z.looseObject({ openapi: z.literal('3.1.1') }) },
    answer: () => json(200, (document ??= openApi([...routes, route]))),
  })
  return route
}

/** The document. */
export function openApi(routes: readonly Route[]): Json {
  const schemas: Json = {}
  const paths: Record<string, Json> = {}
  schemaOf(problemSchema, 'output', schemas)
  for (const route of routes) {
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: operation(route, schemas),
    }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Evenkeel admin API',
      version: 'v1',
      description: INTRODUCTION.replaceAll('\n', ' '),
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { certificate: [] }, {}],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas,
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'Where `admin.tokens` is set; the read-only one may change nothing.',
        },
        certificate: { type: 'mutualTLS', description: 'Where `admin.tls.clientCa` is set.' },
      },
    },
  }
}

function operation(route: Route, schemas: Json): Json {
  const { summary, description, tag, access } = route
  const parameters = [
    ...[...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...queryParameters(route, schemas),
  ]
  return {
    operationId: operationId(route),
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    ...(access === 'open' ? { security: [{}] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.access === 'change' ? requestBody(route, schemas) : {}),
    responses: responses(route, schemas),
  }
}

function queryParameters(route: Route, schemas: Json): Json[] {
  const dryRun = {
    name: 'dryRun',
    in: 'query',
    description: 'Only say what would happen.',
    schema: { type: 'string', enum: ['true', 'false'], default: 'false' },
  }
  const canTry = route.access === 'change' && route.dryRun === true
  if (route.query === undefined) return canTry ? [dryRun] : []
  const { properties = {}, required = [] } = schemaOf(route.query, 'input', schemas) as {
    properties?: Record<string, Json>
    required?: string[]
  }
  const own: Json[] = Object.entries(properties).map(([name, { description = '', ...schema }]) => {
    const isRequired = required.includes(name)
    return { name, in: 'query', required: isRequired, description, schema }
  })
  return canTry ? [...own, dryRun] : own
}

function requestBody({ body, bodyTypes, example }: ChangeRoute, schemas: Json): Json {
  if (body === undefined) return {}
  const media = {
    schema: schemaOf(body, 'input', schemas),
    ...(example === undefined ? {} : { example }),
  }
  const types = bodyTypes ?? ['application/json']
  const content = Object.fromEntries(types.map((type) => [type, media]))
  return { requestBody: { required: true, content } }
}

function responses(route: Route, schemas: Json): Json {
  const all: Json = { 200: { description: route.result.says, ...content(route.result, schemas) } }
  if (route.access === 'change' && route.waitMs !== Infinity) {
    all[202] = { description: 'It takes longer, and goes on.' }
  }
  const codes = new Set([...(route.problems ?? []), ...everywhere(route)])
  const possible = PROBLEMS.filter(({ code }) => codes.has(code))
  for (const status of new Set(possible.map(({ status }) => status))) {
    const rows = possible.filter((row) => row.status === status)
    const description = rows.map(({ code, sentence }) => `\`${code}\`: ${sentence}`).join(' ')
    const schema = { $ref: '#/components/schemas/Problem' }
    all[status] = { description, content: { 'application/problem+json': { schema } } }
  }
  return all
}

/** What a path can refuse without having said so. */
function everywhere({ access, query }: Route): readonly ProblemCode[] {
  const common: readonly ProblemCode[] =
    access === 'open' ? ['wrong-host'] : ['wrong-host', 'not-known']
  if (access === 'change') {
    return [...common, 'read-only', 'foreign-origin', 'bad-request', 'not-json', 'body-too-large']
  }
  return query === undefined ? common : [...common, 'bad-request']
}

function content({ type = 'application/json', schema, example }: Result, schemas: Json): Json {
  const media = {
    schema: schema === undefined ? { type: 'string' } : schemaOf(schema, 'output', schemas),
    ...(example === undefined ? {} : { example }),
  }
  return { content: { [type]: media } }
}

/** `postPoolsByPoolFreeze` for `POST /v1/pools/{pool}/freeze`. */
function operationId({ method, path }: Route): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== 'v1')
  const words = parts.flatMap((part) => {
    const name = /^\{(\w+)\}$/.exec(part)?.[1]
    return name === undefined ? part.split(/[^a-zA-Z0-9]+/) : ['by', name]
  })
  return [
    method.toLowerCase(),
    ...words.map((word) => word[0]!.toUpperCase() + word.slice(1)),
  ].join('')
}

/** A schema as JSON Schema; named ones are put among `schemas` and referred to. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', schemas: Json): Json {
  const made = z.toJSONSchema(schema, { io, target: 'draft-2020-12' }) as Json
  const { $schema: _, $defs = {}, ...rest } = pointToComponents(made) as Json
  for (const [name, one] of Object.entries($defs as Json)) schemas[name] = withoutId(one as Json)
  if (typeof rest['id'] !== 'string') return rest
  const name = rest['id']
  schemas[name] = withoutId(rest)
  return { $ref: `#/components/schemas/${name}` }
}

function withoutId(schema: Json): Json {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== 'id'))
}

function pointToComponents(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pointToComponents)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      key === '$ref' && typeof one === 'string'
        ? one.replace('#/$defs/', '#/components/schemas/')
        : pointToComponents(one),
    ]),
  )
}
