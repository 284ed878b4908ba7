import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundedText } from '../../../src/core/bounded-text.ts'

const tooLong = (): Error => new Error('too long')

async function* pieces(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

test('a text is the same wherever it is cut, up to its limit and not beyond', async () => {
  const text = '\ufeffschön: 10 € 🚢'
  const bytes = Buffer.from(text)
  for (let length = 1; length <= bytes.length; length++) {
    assert.equal(await boundedText(pieces(bytes, length), bytes.length, tooLong), text)
    const read = boundedText(pieces(bytes, length), bytes.length - 1, tooLong)
    await assert.rejects(read, /too long/)
  }
})
