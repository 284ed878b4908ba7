import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KIND, TOKEN } from '../../../src/http1/bytes.ts'
import { classify, FIELD, FIELD_NAMES } from '../../../src/http1/fields.ts'

function idOf(name: string): number {
  const bytes = Buffer.from(`?${name}?`, 'latin1')
  return classify(bytes, 1, bytes.length - 1)
}

test('every known name is recognised in any case, and its id fits a bit of an integer', () => {
  assert.equal(FIELD_NAMES.length, Object.keys(FIELD).length)
  for (const id of Object.values(FIELD)) {
    assert.ok(id <= 30)
    if (id === FIELD.other || id === FIELD.disguised) continue
    const name = FIELD_NAMES[id]!
    assert.equal(idOf(name), id)
    assert.equal(idOf(name.toUpperCase()), id)
    assert.equal(idOf(name[0]!.toUpperCase() + name.slice(1)), id)
  }
})

test('ids and names are in step', () => {
  for (const [key, id] of Object.entries(FIELD)) {
    if (FIELD_NAMES[id] !== '')
      assert.equal(key.toLowerCase(), FIELD_NAMES[id]!.replaceAll('-', ''))
  }
})

test('a name that differs from a known one in any one byte is not recognised', () => {
  for (const name of FIELD_NAMES.filter((name) => name !== '')) {
    for (let at = 0; at < name.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        if ((KIND[byte]! & TOKEN) === 0) continue
        const other = name.slice(0, at) + String.fromCharCode(byte) + name.slice(at + 1)
        if (FIELD_NAMES.includes(other.toLowerCase())) continue
        if (byte === 0x5f && name[at] === '-') continue
        assert.equal(idOf(other), FIELD.other, other)
      }
    }
    assert.equal(idOf(`${name}x`), FIELD.other)
    assert.equal(idOf(name.slice(1)), FIELD.other)
  }
})

test('underscores disguise only the names that others must not speak for', () => {
  const disguised = ['X_Forwarded_For', 'x-forwarded_proto', 'X_FORWARDED-HOST', 'evenkeel_epoch']
  for (const name of disguised) assert.equal(idOf(name), FIELD.disguised, name)
  const others = ['Content_Length', 'Transfer_Encoding', 'Keep_Alive', 'X_Forwarded_Fox', 'X_A']
  for (const name of others) assert.equal(idOf(name), FIELD.other, name)
})
