// What to say about a key that is not known: a misspelling, one that belongs elsewhere, one that
// another proxy has under that name, or one that a later version will have.

import { jsonSchema, type JsonSchema } from './json-schema.ts'
import { formatPath, type Path } from './diagnostics.ts'
import { nearest } from '../core/nearest.ts'
import { foreignWords, suggest } from './suggest.ts'

const later: Readonly<Record<string, string>> = {
  tls: 'TLS',
  http2: 'HTTP/2',
  proxyProtocol: 'the PROXY protocol',
  sticky: 'stickiness',
  grpc: 'the gRPC check',
  rateLimit: 'rate limiting',
}

/** Words of other proxies for what is no single key here. */
const elsewhere: Readonly<Record<string, string>> = {
  backup: 'write mode: active-standby in the pool: the first backend serves, the others stand by',
  standby: 'write mode: active-standby in the pool: the first backend serves, the others stand by',
  priority: 'with mode: active-standby in the pool, the order of its backends is their priority',
}

/** Message and hint for an unknown key of the map at `path`. */
export function describeKeys(path: Path, key: string): { message: string; hint: string | null } {
  const here = keysAt(path)
  const planned = nearest(key, here) === null ? later[key] : undefined
  if (planned !== undefined) {
    return { message: `${planned} is not in this version yet`, hint: 'remove it' }
  }
  return { message: 'there is no such key', hint: hintFor(path, key, here) }
}

function hintFor(path: Path, key: string, here: readonly string[]): string {
  // A whole word of another proxy says more than letters that are alike.
  const foreign = foreignWords[key.toLowerCase()]
  if (foreign !== undefined && here.includes(foreign)) return `did you mean ${foreign}?`
  const near = nearest(key, here)
  if (near !== null) return `did you mean ${near}?`
  if (here.includes('weight') && elsewhere[key] !== undefined) return elsewhere[key]
  const deeper = here.find((name) => keysAt([...path, name]).includes(key))
  if (deeper !== undefined) return `it belongs in ${deeper}: ${deeper}: { ${key}: ... }`
  for (let length = path.length - 1; length >= 0; length--) {
    const outer = path.slice(0, length)
    if (length > 0 && keysAt(outer).includes(key)) {
      return `it belongs further out, in ${formatPath(outer)}`
    }
  }
  return suggest(key, here, 'keys here')
}

/** Keys that the schema knows for the map at `path`. */
function keysAt(path: Path): string[] {
  let schemas: JsonSchema[] = [jsonSchema()]
  for (const part of path) schemas = schemas.flatMap((schema) => step(schema, part))
  return schemas.flatMap(branches).flatMap((schema) => Object.keys(schema.properties ?? {}))
}

function step(schema: JsonSchema, part: string | number): JsonSchema[] {
  return branches(schema).flatMap((branch) => {
    if (typeof part === 'number') return branch.items === undefined ? [] : [branch.items]
    const property = branch.properties?.[part]
    if (property !== undefined) return [property]
    return typeof branch.additionalProperties === 'object' ? [branch.additionalProperties] : []
  })
}

function branches(schema: JsonSchema): JsonSchema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(branches)
}
