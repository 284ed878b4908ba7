import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Answer } from '../../../src/admin/answer.ts'
import { pageRoutes } from '../../../src/admin/page-routes.ts'
import { Router } from '../../../src/admin/router.ts'

const router = new Router(pageRoutes())

async function get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const found = router.find('GET', path)
  if (!found.ok) return found.answer
  assert.equal(found.route.access, 'open')
  const { params, route } = found
  assert.equal(route.method, 'GET')
  const who = { from: 'test', name: null }
  return route.answer({
    params,
    query: {},
    headers,
    who,
  })
}

test('the page is the same at both addresses, and may only load and run what comes from here', async () => {
  const page = await get('/')
  assert.equal(page.status, 200)
  assert.equal(page.type, 'text/html; charset=utf-8')
  assert.deepEqual((await get('/ui')).body, page.body)
  assert.equal(
    page.headers!['content-security-policy'],
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  )
})

test('every file that the page and its scripts name is there, and every file of the folder is served', async () => {
  const folder = new URL('../../../src/admin/page/', import.meta.url)
  const names = readdirSync(folder)
  assert.ok(names.length > 15)
  for (const name of names) {
    const { status, body } = await get(`/ui/${name}`)
    assert.equal(status, 200, name)
    const text = readFileSync(new URL(name, folder), 'utf8')
    assert.equal(String(body), text)
    const named = [...text.matchAll(/(?:from '\.\/|(?:src|href)="\/ui\/)([\w.-]+)['"]/g)]
    for (const [, other] of named) assert.equal((await get(`/ui/${other!}`)).status, 200, other)
    // Nothing from elsewhere, and no markup made from texts.
    assert.doesNotMatch(text, /https?:\/\/(?!www\.w3\.org\/2000\/svg)/, name)
    assert.doesNotMatch(text, /innerHTML|insertAdjacentHTML|document\.write|eval\(|style="/, name)
  }
  assert.match(String((await get('/ui/uplot-license.txt')).body), /MIT License/)
})

test('what is not of the list is not there, however it is spelt', async () => {
  for (const name of [
    '',
    'x.js',
    '..',
    '..%2Fserver.js',
    '%2e%2e%2f%2e%2e%2fpackage.json',
    'PAGE.JS',
    '__proto__',
  ]) {
    assert.equal((await get(`/ui/${name}`)).status, 404, name)
  }
  assert.equal((await get('/ui/page/page.js')).status, 404)
})

test('a browser that has a file is not sent it again', async () => {
  const { headers } = await get('/ui/page.js')
  const again = await get('/ui/page.js', { 'if-none-match': headers!['etag']! })
  assert.deepEqual([again.status, again.body], [304, ''])
  assert.equal((await get('/ui/page.js', { 'if-none-match': '"other"' })).status, 200)
})
