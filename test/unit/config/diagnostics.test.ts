import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  aboutFile,
  type Diagnostic,
  formatDiagnostics,
  formatPath,
} from '../../../src/config/diagnostics.ts'

function at(excerpt: string, column: number, length: number): string[] {
  const diagnostic: Diagnostic = {
    severity: 'error',
    file: 'a.yaml',
    line: 7,
    column,
    length,
    path: '',
    message: 'm',
    hint: null,
    excerpt,
  }
  return formatDiagnostics([diagnostic]).split('\n').slice(1, 3)
}

test('carets stand under what they mean, behind tabs and wide letters too', () => {
  assert.deepEqual(at('a: bad', 4, 3), ['    7 | a: bad', '      |    ^^^'])
  assert.deepEqual(at('\ta: bad', 5, 3), ['    7 | \ta: bad', '      | \t   ^^^'])
  assert.deepEqual(at('값: bad', 4, 3), ['    7 | 값: bad', '      |     ^^^'])
  assert.deepEqual(at('a: 값값', 4, 2), ['    7 | a: 값값', '      |    ^^^^'])
  assert.deepEqual(at('🙂: bad', 5, 3), ['    7 | 🙂: bad', '      |     ^^^'])
})

test('a long line is cut around the culprit', () => {
  const [line = '', carets = ''] = at(`${'x'.repeat(500)}bad${'y'.repeat(500)}`, 501, 3)
  assert.equal(line.length, '    7 | '.length + 120)
  assert.equal(line.slice(carets.indexOf('^'), carets.lastIndexOf('^') + 1), 'bad')
})

test('a file cannot steer the terminal', () => {
  assert.deepEqual(at('a: \u001b[2Jbad\u0007', 4, 3), ['    7 | a: ?[2Jbad?', '      |    ^^^'])
})

test('a finding about a whole file has no line', () => {
  assert.equal(
    formatDiagnostics([aboutFile('a.yaml', 'cannot be read', 'try again')]),
    'a.yaml: error: cannot be read\n  hint: try again\n',
  )
})

test('after fifty findings only their number is told', () => {
  const many = Array.from({ length: 60 }, () => aboutFile('a.yaml', 'm', null))
  const lines = formatDiagnostics(many).trimEnd().split('\n')
  assert.equal(lines.length, 51)
  assert.equal(lines.at(-1), '... and 10 more')
})

test('paths read like the keys, with brackets where a dot would mislead', () => {
  assert.equal(formatPath([]), '')
  assert.equal(
    formatPath(['listeners', 'web', 'routes', 0, 'match']),
    'listeners.web.routes[0].match',
  )
  assert.equal(formatPath(['pools', 'a.b', 'x y']), 'pools["a.b"]["x y"]')
})
