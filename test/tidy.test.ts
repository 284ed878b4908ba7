// The repository's own rules, as far as the linter can't hold them: layers, headers, words, links.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'

const root = fileURLToPath(new URL('../..', import.meta.url))

function files(folder: string, ending: string): string[] {
  const path = join(root, folder)
  if (!existsSync(path)) return []
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.includes('node_modules'))
    .map((name) => join(folder, name))
    .sort()
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Lines of `path` that match, as `path:line: text`. */
function matches(path: string, pattern: RegExp, text = read(path)): string[] {
  return text
    .split('\n')
    .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : []))
}

const sources = files('src', '.ts')
const tests = files('test', '.ts')
const benches = files('bench', '.ts')
const pages = [...files('docs', '.md'), 'README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].filter(
  (path) => existsSync(join(root, path)),
)
// This file names what it forbids.
const written = [...sources, ...tests, ...benches, ...pages, ...files('conf', '.yaml')].filter(
  (path) => path !== 'test/tidy.test.ts',
)

// The layers of CONTRIBUTING.md from the bottom up. A folder may import the rows below its own, and itself.
const rows = [
  ['core'],
  ['observe', 'route', 'http1'],
  ['admin', 'ha', 'discover', 'probe', 'listen', 'proxy', 'config'],
  ['runtime'],
  ['cli'],
  ['main.ts', 'index.ts'],
] as const
const height = new Map<string, number>(rows.flatMap((row, i) => row.map((name) => [name, i])))

function folderOf(path: string): string {
  return path.split('/')[1]!
}

test('every folder of src has its place among the layers', () => {
  for (const path of sources) assert.ok(height.has(folderOf(path)), path)
})

test('imports point downward only, and siblings know nothing of each other', () => {
  const wrong: string[] = []
  for (const path of sources) {
    const from = folderOf(path)
    for (const [, target] of read(path).matchAll(/(?:from|import\() ?'(\.[^']+)'/g)) {
      const imported = normalize(join(dirname(path), target!))
      const to = folderOf(imported)
      assert.ok(existsSync(join(root, imported)), `${path} imports ${target}`)
      if (from !== to && height.get(to)! >= height.get(from)!) wrong.push(`${path} -> ${imported}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('core, route and http1 import nothing of Node and nothing from packages', () => {
  const pure = sources.filter((path) => ['core', 'route', 'http1'].includes(folderOf(path)))
  assert.ok(pure.length > 10)
  assert.deepEqual(
    pure.flatMap((path) => matches(path, /from '[^.]/)),
    [],
  )
})

test('every source file begins by saying what it is', () => {
  for (const path of sources) {
    const [first = '', second = '', third = ''] = read(path).split('\n')
    const header = first.startsWith('#!') ? second : first
    assert.match(header, /^\/\/ \S/, path)
    assert.ok(!/eslint|oxlint|@ts-/.test(header + third), path)
  }
})

test('nothing is put off: what is left to do stands in an issue, not in a comment', () => {
  assert.deepEqual(
    written.flatMap((path) => matches(path, /\b(TODO|FIXME|XXX|HACK)\b/)),
    [],
  )
})

test('no check is silenced without a reason', () => {
  const silenced = [...sources, ...tests, ...benches]
    .filter((path) => path !== 'test/tidy.test.ts')
    .flatMap((path) => matches(path, /(ts-ignore|ts-expect-error|ts-nocheck|(es|ox)lint-disable)/))
  assert.deepEqual(
    silenced.filter((line) => !/-- \S/.test(line)),
    [],
  )
})

test('no test is left out or runs alone', () => {
  assert.deepEqual(
    tests
      .filter((path) => path !== 'test/tidy.test.ts')
      .flatMap((path) => matches(path, /\b(test|it|describe)\.(only|skip|todo)\(|\bonly: true/)),
    [],
  )
})

// docs/lexicon.md: one word per concept. These are other projects' words for ours.
const foreign =
  /(upstream|downstream|frontend|vhost|entrypoint|quarantine|shun(?!t)|blacklist|whitelist|failsoft)/i

test("names in the code are this project's words", () => {
  const allowed = new Set([
    // Translates other projects' words for people who come from there.
    'src/config/suggest.ts',
  ])
  const found = sources
    .filter((path) => !allowed.has(path))
    .flatMap((path) => matches(path, foreign, withoutTexts(read(path))))
  assert.deepEqual(found, [])
})

/** The code without comments and texts, which may speak of others. */
function withoutTexts(code: string): string {
  return code
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''")
    .replace(/`(?:[^`\\]|\\.)*`/g, (text) => text.replace(/[^\n]/g, ''))
    .replace(/\/\/.*$/gm, '')
}

test('links between pages, and files that pages name, exist', () => {
  const missing: string[] = []
  for (const page of pages) {
    const text = read(page)
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^([a-z]+:|#)/.test(target!)) continue
      const path = normalize(join(dirname(page), target!.split('#')[0]!))
      if (!existsSync(join(root, path))) missing.push(`${page}: ${target}`)
    }
    for (const [, path] of text.matchAll(/`((?:src|test|conf|docs|bench)\/[\w./-]+\.\w+)`/g)) {
      if (!existsSync(join(root, path!))) missing.push(`${page}: ${path}`)
    }
  }
  assert.deepEqual(missing, [])
})

test('every page can be reached from the README by links', () => {
  const reached = new Set(['README.md'])
  for (const page of reached) {
    for (const [, target] of read(page).matchAll(/\]\(([^)\s#]+)/g)) {
      const path = normalize(join(dirname(page), target!))
      for (const one of pages) if (one === path || dirname(one) === path) reached.add(one)
    }
  }
  assert.deepEqual(
    pages.filter((page) => !reached.has(page)),
    [],
  )
})

test('unit tests lie where their subject lies', () => {
  const strays = files('test/unit', '.test.ts').filter(
    (path) => !existsSync(join(root, dirname(path).replace('test/unit', 'src'))),
  )
  assert.deepEqual(strays, [])
})

test('nothing speaks of the machine it was written on', () => {
  const pattern = /(^|[\s'"`(=])\/(work|root|home)\//
  assert.deepEqual(
    [...written, 'package.json', 'package-lock.json', 'Dockerfile', '.ci/run'].flatMap((path) =>
      matches(path, pattern),
    ),
    [],
  )
})

test('the package runs on the oldest Node.js it names, by the types it is compiled against', () => {
  const { engines, devDependencies } = JSON.parse(read('package.json')) as {
    engines: { node: string }
    devDependencies: Record<string, string>
  }
  const oldest = /^>=(\d+)\./.exec(engines.node)![1]
  assert.equal(devDependencies['@types/node']!.split('.')[0], oldest)
})
