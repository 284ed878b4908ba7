import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as fc from 'fast-check'
import { formatDiagnostics } from '../../../src/config/diagnostics.ts'
import { loadConfig, parseConfig } from '../../../src/config/load.ts'

const directory = mkdtempSync(join(tmpdir(), 'evenkeel-config-'))
after(() => rmSync(directory, { recursive: true }))

function write(name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

function said(path: string): string {
  const result = loadConfig(path, {})
  assert.ok(!result.ok)
  return formatDiagnostics(result.diagnostics)
}

const good =
  'listeners: { web: { bind: ":8080", pool: app } }\npools: { app: { backends: [a:1, b:1] } }\n'

test('a file that cannot be read is an error that says what to do', () => {
  const gone = join(directory, 'gone.yaml')
  assert.equal(
    said(gone),
    `${gone}: error: cannot be read: there is no such file\n  hint: name the file with -c FILE; conf/quickstart.yaml is one to begin with\n`,
  )
  assert.equal(
    said(directory),
    `${directory}: error: cannot be read: it is a directory\n  hint: name a file in it, such as ${directory}/evenkeel.yaml\n`,
  )
  assert.equal(
    said(join(write('file', ''), 'below')),
    `${join(directory, 'file', 'below')}: error: cannot be read: a part of its path is not a directory\n`,
  )
})

test('a file that is not UTF-8 is refused, and one with a byte order mark is read', () => {
  const latin1 = write('latin1.yaml', Buffer.from('# caf\xe9\n', 'latin1'))
  assert.equal(said(latin1), `${latin1}: error: is not UTF-8 text\n  hint: save it as UTF-8\n`)
  assert.equal(loadConfig(write('bom.yaml', `\uFEFF${good}`), {}).ok, true)
  assert.equal(loadConfig(write('crlf.yaml', good.replaceAll('\n', '\r\n')), {}).ok, true)
})

test('a secret is read beside the file, and its last newline is no part of it', () => {
  write('secret.txt', 'hunter2\n')
  const path = write(
    'with-secret.yaml',
    `listeners:
  web:
    bind: :8080
    routes:
      - { pool: app, requestHeaders: { set: { x-token: "\${file:secret.txt}" } } }
pools: { app: { backends: [a:1, b:1] } }
`,
  )
  const result = loadConfig(path, {})
  assert.ok(result.ok)
  const set = result.plan.listeners[0]?.routes[0]?.requestHeaders.set
  assert.deepEqual(set, [{ name: 'x-token', value: 'hunter2' }])
})

test('carriage returns stay out of the excerpt', () => {
  const result = parseConfig('log: { level: loud }\r\n', { file: 'a.yaml', env: {} })
  assert.ok(!result.ok)
  assert.deepEqual(
    result.diagnostics.map(({ line, column, excerpt }) => [line, column, excerpt]),
    [
      [1, 1, 'log: { level: loud }'],
      [1, 15, 'log: { level: loud }'],
    ],
  )
})

// The pieces that configurations are made of, in an order that makes none.
const words =
  'listeners pools web app bind backends match retry healthCheck 80 2s false :8080 null 값'
const marks = ': |\n|\n  |\n    |- |{ | }|[|]|, |"|\'|#|>|?|\t|${A}|${|*a|&a |<<: *a|!t '
const piece = fc.constantFrom(...words.split(' '), ...marks.split('|'), '|')

test('no text makes the loader throw, and every finding points into the text', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join('')
      const result = parseConfig(text, { file: 'a.yaml', env: { A: 'x' }, readFile: () => '' })
      assert.ok(!result.ok)
      assert.ok(result.diagnostics.length > 0)
      const lines = text.split('\n')
      for (const { line, column, length, message, excerpt } of result.diagnostics) {
        assert.ok(message !== '' && !/undefined|invalid input/i.test(message), message)
        assert.ok(line >= 1 && line <= lines.length, `${line}`)
        assert.ok(column >= 1 && column <= lines[line - 1]!.length + 1, `${column}`)
        assert.ok(length >= 1)
        assert.equal(excerpt, lines[line - 1]!.trimEnd())
      }
    }),
    { numRuns: 400, examples: [[['&a ', '- listeners\n    listeners']]] },
  )
})

// Every value of a good file, replaced by something else.
test('no value makes the loader throw or speak in words of its libraries', () => {
  const lines = `runtime: { threads: @, drain: @ }
admin: { bind: @ }
log: { level: @, access: @ }
listeners:
  web: { bind: @, protocol: @, trustForwarded: @, forwarded: @, maxConnections: @, limits: @, timeouts: @, routes: @ }
  two: { bind: @, pool: @ }
pools:
  a: { mode: @, balance: @, backends: @, healthCheck: @, outlierDetection: @, minAvailable: @, slowStart: @ }
  b: { backends: { one: @ }, panic: @, retry: @, timeouts: @, limits: @, objective: @ }
  c: { backends: [@], healthCheck: { http: @, tcp: @, interval: @ }, retry: { budget: @, backoff: @ } }`
  const scalars = 'true false null {} [] 5 -1 2s 50% "" x /x ":80" "a:80" http tcp 64KiB [{}] [[1]]'
  const value = fc.constantFrom(...scalars.split(' '), '{ a: 1 }', '[{ pool: a, match: 1 }]')
  fc.assert(
    fc.property(fc.array(value, { minLength: 40, maxLength: 40 }), (values) => {
      let next = 0
      const text = lines.replace(/@/g, () => values[next++ % values.length]!)
      const result = parseConfig(text, { file: 'a.yaml', env: {} })
      if (result.ok) return
      assert.ok(result.diagnostics.length > 0)
      for (const { message } of result.diagnostics) {
        assert.ok(!/undefined|invalid|zod|NaN|object Object/i.test(message), message)
      }
    }),
    { numRuns: 200 },
  )
})

test('a text that nests without end is refused before the parser meets it', () => {
  const steps = Array.from({ length: 3000 }, (_, depth) => `${' '.repeat(depth)}a:`)
  for (const [text, line] of [
    ['['.repeat(20_000), 1],
    [`${'['.repeat(3000)}${']'.repeat(3000)}`, 1],
    [`a:\n  ${'{a: '.repeat(3000)}`, 2],
    [`${'- '.repeat(5000)}a`, 1],
    [`${'? '.repeat(5000)}a`, 1],
    [steps.join('\n'), 100],
  ] as const) {
    const result = parseConfig(text, { file: 'a.yaml', env: {} })
    assert.ok(!result.ok)
    assert.equal(
      formatDiagnostics(result.diagnostics),
      `a.yaml:${line}:1: error: nests too deeply\n`,
    )
  }
})
