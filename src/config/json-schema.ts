// The schema as JSON Schema (draft-07, which the YAML language server understands) for editors.
// conf/evenkeel.schema.json is this, printed by print-schema.ts; a test compares the two.

import { z } from 'zod'
import { configSchema } from './schema.ts'

export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly required?: readonly string[]
}

let cached: JsonSchema | null = null

/** The JSON Schema of what a person writes. */
export function jsonSchema(): JsonSchema {
  cached ??= z.toJSONSchema(configSchema, { io: 'input', target: 'draft-07' }) as JsonSchema
  return cached
}
