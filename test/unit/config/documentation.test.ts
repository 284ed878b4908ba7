// docs/configuration.md against the schema: no key is missing, none is invented, defaults agree.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { objectiveText } from '../../../src/cli/objective-text.ts'
import { formatDiagnostics } from '../../../src/config/diagnostics.ts'
import { environmentVariables } from '../../../src/config/from-environment.ts'
import { jsonSchema, type JsonSchema } from '../../../src/config/json-schema.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { assessObjectives } from '../../../src/core/objective.ts'
import { parse } from './cases.ts'

const root = new URL('../../../../', import.meta.url)
const text = readFileSync(new URL('docs/configuration.md', root), 'utf8')

/** Tables of the document: heading, then key to default. */
function documented(): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>()
  for (const section of text.split(/^##+ /m)) {
    const path = /^`([^`]+)`\n/.exec(section)?.[1]
    if (path === undefined) continue
    const rows = section.matchAll(/^\| `(\w+)` \| (.*?) \|/gm)
    sections.set(path, new Map([...rows].map(([, key, value]) => [key!, value!])))
  }
  return sections
}

function branches(schema: JsonSchema): JsonSchema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(branches)
}

/** Maps of the schema with fixed keys: path, then key to what the document should call its default. */
function inSchema(schema: JsonSchema, path: string): [string, Map<string, string>][] {
  return branches(schema).flatMap((branch) => {
    const own: [string, Map<string, string>][] = []
    if (branch.properties !== undefined) {
      const keys = Object.entries(branch.properties)
      const rows = keys.map(([key, value]): [string, string] => [
        key,
        branch.required?.includes(key) === true ? 'required' : defaultOf(value),
      ])
      if (path !== '' && keys.length > 0) own.push([path, new Map(rows)])
      for (const [key, value] of keys)
        own.push(...inSchema(value, path === '' ? key : `${path}.${key}`))
    }
    if (typeof branch.additionalProperties === 'object') {
      own.push(...inSchema(branch.additionalProperties, `${path}.<name>`))
    }
    if (branch.items !== undefined) own.push(...inSchema(branch.items, `${path}[]`))
    return own
  })
}

function defaultOf(schema: JsonSchema): string {
  const value = schema.default
  if (value === undefined || value === '') return '–'
  if (JSON.stringify(value) === '{}' && branches(schema).some((one) => one.properties))
    return '[below]'
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

test('docs/configuration.md has every key of the schema with its default, and no other', () => {
  const sections = documented()
  const expected = inSchema(jsonSchema(), '').filter(([path]) => !path.endsWith('replacePrefix'))
  assert.ok(expected.length > 20)
  for (const [path, rows] of expected) {
    const section = sections.get(path)
    assert.ok(section !== undefined, `no section for ${path}`)
    const shown = [...section].map(([key, value]) => [
      key,
      value.replace(/^\[below\].*/, '[below]'),
    ])
    assert.deepEqual(Object.fromEntries(shown), Object.fromEntries(rows), path)
  }
  const known = new Set(expected.map(([path]) => path))
  for (const path of sections.keys()) assert.ok(known.has(path), `${path} is not in the schema`)
})

test('every key of the schema has a description for editors', () => {
  const check = (schema: JsonSchema, path: string): void => {
    for (const branch of branches(schema)) {
      for (const [key, value] of Object.entries(branch.properties ?? {})) {
        assert.ok((value.description ?? '').endsWith('.'), `${path}.${key}`)
        check(value, `${path}.${key}`)
      }
      if (typeof branch.additionalProperties === 'object') check(branch.additionalProperties, path)
      if (branch.items !== undefined) check(branch.items, path)
    }
  }
  check(jsonSchema(), '')
})

test('docs/configuration.md lists every variable of the sidecar mode', () => {
  const listed = [...text.matchAll(/^\| `(EVENKEEL_\w+)` \|/gm)].map(([, name]) => name)
  assert.deepEqual(new Set(listed), new Set(environmentVariables))
})

test('every link within docs/configuration.md leads to a heading', () => {
  const anchorOf = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-')
  const headings = new Set(Array.from(text.matchAll(/^##+ (.*)$/gm), ([, one]) => anchorOf(one!)))
  for (const [, anchor] of text.matchAll(/\]\(#([^)]+)\)/g)) {
    assert.ok(headings.has(anchor!), `#${anchor}`)
  }
})

test('the examples of docs/configuration.md that are whole configurations work', () => {
  const whole = /^(runtime|listeners):[^]*\nlisteners:|^listeners:[^]*\npools:/
  const examples = Array.from(text.matchAll(/```yaml\n([^]*?)```/g), ([, example]) => example!)
  const configurations = examples.filter((example) => whole.test(example))
  assert.equal(configurations.length, 2)
  for (const example of configurations) {
    const result = parse(example)
    assert.equal(formatDiagnostics(result.ok ? result.warnings : result.diagnostics), '')
  }
})

test('the computed objective in docs/configuration.md is that of conf/active-standby.yaml', () => {
  const shown = /```\n( {2}objective of pool [^]*?)```/.exec(text)?.[1]
  const result = loadConfig(fileURLToPath(new URL('conf/active-standby.yaml', root)), {})
  assert.ok(result.ok)
  const lines = assessObjectives(result.plan).flatMap(objectiveText)
  assert.equal(lines.map((line) => `${line}\n`).join(''), shown)
})
