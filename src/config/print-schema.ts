// Prints the JSON Schema:
//   node dist/src/config/print-schema.js > conf/evenkeel.schema.json

import { jsonSchema } from './json-schema.ts'

process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
