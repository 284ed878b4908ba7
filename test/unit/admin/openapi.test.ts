import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { openApi } from '../../../src/admin/openapi.ts'
import { PROBLEMS } from '../../../src/admin/problem.ts'
import { describedRoutes } from '../../../src/runtime/admin-routes.ts'

const routes = describedRoutes()
const document = openApi(routes)

function page(name: string): string {
  return readFileSync(new URL(`../../../../docs/${name}`, import.meta.url), 'utf8')
}

test('docs/openapi.json is what the API serves (print-openapi.ts writes it)', () => {
  assert.deepEqual(JSON.parse(page('openapi.json')), JSON.parse(JSON.stringify(document)))
})

test('every example is one that the path would take or give', () => {
  for (const route of routes) {
    const { path, result } = route
    if (result.example !== undefined && result.schema !== undefined) {
      assert.ok(result.schema.safeParse(result.example).success, `answer of ${path}`)
    }
    if (route.access !== 'change' || route.body === undefined) continue
    assert.ok(route.example !== undefined, `${path} has no example`)
    assert.ok(route.body.safeParse(route.example).success, `body of ${path}`)
  }
})

test('every reference has its schema, and every operation a name of its own', () => {
  const text = JSON.stringify(document)
  const { components } = document as { components: { schemas: Record<string, unknown> } }
  for (const [, name = ''] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)) {
    assert.ok(name in components.schemas, name)
  }
  assert.ok(!text.includes('$defs'))
  const names = [...text.matchAll(/"operationId":"(\w+)"/g)].map(([, name]) => name)
  assert.equal(names.length, routes.length)
  assert.equal(new Set(names).size, names.length)
})

test('each member of an answer is described, and that a token may be missing', () => {
  const { paths } = document as {
    paths: Record<string, Record<string, { responses: Record<string, { content?: Content }> }>>
  }
  type Content = Record<string, { schema: { type?: string; properties?: object } }>
  for (const [path, operations] of Object.entries(paths)) {
    for (const { responses } of Object.values(operations)) {
      const schema = responses['200']!.content?.['application/json']?.schema
      if (schema?.type === 'object') assert.ok(schema.properties !== undefined, path)
    }
  }
  for (const { method, path, access } of routes) {
    const { responses } = paths[path]![method.toLowerCase()]!
    assert.equal('401' in responses, access !== 'open', path)
  }
})

test('what everybody may see without a token is a short list', () => {
  assert.deepEqual(
    routes
      .filter(({ access }) => access === 'open')
      .map(({ path }) => path)
      .sort(),
    ['/', '/livez', '/readyz', '/ui', '/ui/{file}'],
  )
})

test('docs/admin-api.md explains every code', () => {
  const text = page('admin-api.md')
  for (const { code, status, sentence } of PROBLEMS) {
    assert.ok(text.includes(`| \`${code}\` | ${status} | ${sentence} |`), code)
  }
})
