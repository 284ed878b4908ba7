import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { formatDiagnostics } from '../../../src/config/diagnostics.ts'
import { jsonSchema } from '../../../src/config/json-schema.ts'
import { loadConfig } from '../../../src/config/load.ts'

const conf = fileURLToPath(new URL('../../../../conf/', import.meta.url))

for (const file of readdirSync(conf).filter((name) => name.endsWith('.yaml'))) {
  test(`conf/${file} loads without errors and warnings, and names its schema`, () => {
    const result = loadConfig(`${conf}${file}`, {})
    assert.equal(formatDiagnostics(result.ok ? result.warnings : result.diagnostics), '')
    assert.equal(result.ok, true)
    const [first] = readFileSync(`${conf}${file}`, 'utf8').split('\n')
    assert.equal(first, '# yaml-language-server: $schema=./evenkeel.schema.json')
  })
}

test('conf/evenkeel.schema.json is the schema of this code', () => {
  const expected = `${JSON.stringify(jsonSchema(), null, 2)}\n`
  const written = readFileSync(`${conf}evenkeel.schema.json`, 'utf8')
  assert.ok(
    written === expected,
    'run: node dist/src/config/print-schema.js > conf/evenkeel.schema.json',
  )
})
