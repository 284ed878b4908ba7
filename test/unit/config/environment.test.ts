import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { substitute } from '../../../src/config/environment.ts'

function put(
  text: string,
  env: Record<string, string | undefined> = {},
  files: Record<string, string> = {},
) {
  return substitute(text, {
    env,
    readFile(path) {
      const content = files[path]
      if (content !== undefined) return content
      throw Object.assign(new Error('gone'), { code: 'ENOENT' })
    },
  })
}

test('variables, defaults and files are put in', () => {
  const env = { A: 'one', EMPTY: '' }
  for (const [text, expected] of [
    ['${A}', 'one'],
    ['x${A}y${A}z', 'xoneyonez'],
    ['${B:-two}', 'two'],
    ['${A:-two}', 'one'],
    ['${EMPTY:-two}', 'two'],
    ['${EMPTY}', ''],
    ['${B:-}', ''],
    ['${B:-a:-b}', 'a:-b'],
    ['${B:-line\none}', 'line\none'],
    ['${file:/run/x}', 'secret'],
    ['${file:/run/crlf}', 'two\nlines'],
  ] as const) {
    const files = { '/run/x': 'secret\n', '/run/crlf': 'two\nlines\r\n' }
    assert.deepEqual(put(text, env, files).text, expected, text)
    assert.deepEqual(put(text, env, files).faults, [], text)
  }
})

test('two dollars before a brace stand for one, and a dollar elsewhere is a dollar', () => {
  const env = { A: 'one' }
  for (const [text, expected] of [
    ['$${A}', '${A}'],
    ['$$${A}', '$one'],
    ['$$$${A}', '$${A}'],
    ['$', '$'],
    ['$$', '$$'],
    ['$A', '$A'],
    ['a$$b ${A} $', 'a$$b one $'],
    ['$${A}${A}', '${A}one'],
    ['{A}', '{A}'],
  ] as const) {
    assert.deepEqual(put(text, env), { text: expected, secret: false, faults: [] }, text)
  }
})

test('what a variable holds is never looked at again', () => {
  assert.equal(put('${A}', { A: '${B}', B: 'x' }).text, '${B}')
  assert.equal(put('${file:f}', { B: 'x' }, { f: '${B}' }).text, '${B}')
})

test('files, and variables that sound like secrets, make the value secret', () => {
  const env = { DB_PASSWORD: 'x', API_TOKEN: 'x', PORT: '1' }
  assert.equal(put('${file:f}', env, { f: 'x' }).secret, true)
  assert.equal(put('a${DB_PASSWORD}', env).secret, true)
  assert.equal(put('${API_TOKEN}', env).secret, true)
  assert.equal(put('${PORT}', env).secret, false)
})

test('every fault of a value is found, with the token as it was written', () => {
  const { faults } = put('${A} ${B:-x} ${c-d} ${file:gone}')
  assert.deepEqual(
    faults.map(({ token, message }) => [token, message]),
    [
      ['${A}', 'the environment variable A is not set'],
      ['${c-d}', '"${c-d}" is not a substitution known here'],
      ['${file:gone}', 'cannot read gone: there is no such file'],
    ],
  )
})

test('any text can be written: doubled before braces, it comes back as it was', () => {
  const piece = fc.constantFrom('$', '{', '}', '${', 'A', 'x', ':-', ' ')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join('')
      const written = text.replace(/\$+(?=\{)/g, (dollars) => dollars + dollars)
      assert.deepEqual(put(written, { A: 'one' }), { text, secret: false, faults: [] })
    }),
  )
})

test('any value of a variable arrives as it is', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (value, around) => {
      const plain = around.replaceAll('$', '')
      assert.equal(put(`${plain}\${V}${plain}`, { V: value }).text, plain + value + plain)
    }),
  )
})
