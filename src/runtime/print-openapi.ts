// Prints the OpenAPI document of the admin API:
//   node dist/src/runtime/print-openapi.js > docs/openapi.json

import { openApi } from '../admin/openapi.ts'
import { describedRoutes } from './admin-routes.ts'

process.stdout.write(`${JSON.stringify(openApi(describedRoutes()), null, 2)}\n`)
