import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHUNK, ChunkedDecoder, encodeChunkHead, LAST_CHUNK } from '../../../src/http1/chunked.ts'

interface Decoded {
  readonly code: number
  readonly body: string
  readonly rest: string
  readonly decoder: ChunkedDecoder
}

/** Decodes `text` in reads of at most `size` bytes, each from a buffer of its own. */
function decode(text: string, size: number): Decoded {
  const decoder = new ChunkedDecoder()
  let body = ''
  for (let from = 0; from < text.length; from += size) {
    const piece = text.slice(from, from + size)
    const bytes = Buffer.from(`0\r\n${piece}\r\n\r\n`, 'latin1')
    const end = 3 + piece.length
    let code = decoder.next(bytes, 3, end)
    while (code === CHUNK.data) {
      assert.ok(decoder.dataEnd > decoder.dataStart)
      body += bytes.toString('latin1', decoder.dataStart, decoder.dataEnd)
      code = decoder.next(bytes, decoder.position, end)
    }
    if (code !== CHUNK.more) {
      return { code, body, rest: text.slice(from + decoder.position - 3), decoder }
    }
    assert.equal(decoder.position, end)
  }
  return { code: CHUNK.more, body, rest: '', decoder }
}

/** The same in one read, in single bytes and in a few sizes between. */
function decodings(text: string): Decoded[] {
  return [text.length, 1, 2, 3, 7].map((size) => decode(text, Math.max(1, size)))
}

const good: readonly (readonly [what: string, text: string, body: string, trailers: string])[] = [
  ['an empty body', '0\r\n\r\n', '', ''],
  ['an empty body with many zeros', '0000000000000000\r\n\r\n', '', ''],
  ['one chunk', '5\r\nhello\r\n0\r\n\r\n', 'hello', ''],
  ['several chunks', '1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n', 'abcdef', ''],
  [
    'hex digits in both cases',
    `a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n`,
    '01234567890123456789',
    '',
  ],
  ['leading zeros', '005\r\nhello\r\n00\r\n\r\n', 'hello', ''],
  ['line ends as data', '4\r\n\r\n\r\n\r\n2\r\n0\r\r\n0\r\n\r\n', '\r\n\r\n0\r', ''],
  ['an extension', '5;a=b\r\nhello\r\n0;c\r\n\r\n', 'hello', ''],
  ['several extensions', '5;a;b=c;d="";e\r\nhello\r\n0\r\n\r\n', 'hello', ''],
  ['a quoted quote in an extension', '5;a="\\"\\\\"\r\nhello\r\n0\r\n\r\n', 'hello', ''],
  ['a quoted extension', '5;a="b;\tc\xff"\r\nhello\r\n0\r\n\r\n', 'hello', ''],
  ['an extension at its limit', `5;${'a'.repeat(1_024)}\r\nhello\r\n0\r\n\r\n`, 'hello', ''],
  ['a trailer', '1\r\na\r\n0\r\nX-Sum: 1 \r\n\r\n', 'a', 'X-Sum: 1\r\n'],
  ['trailers', '0\r\nA:1\r\nB:\t2\xff\r\nC:\r\n\r\n', '', 'A: 1\r\nB: 2\xff\r\nC: \r\n'],
]

for (const [what, text, body, trailers] of good) {
  test(`a chunked body is decoded with ${what}, whatever its reads`, () => {
    for (const decoded of decodings(`${text}GET /next`)) {
      assert.equal(decoded.decoder.detail, '')
      assert.equal(decoded.code, CHUNK.done)
      assert.equal(decoded.body, body)
      assert.equal(decoded.rest, 'GET /next')
      assert.equal(decoded.decoder.trailers, trailers)
    }
  })
}

const bad: readonly (readonly [what: string, text: string, detail: RegExp])[] = [
  ['no size', '\r\nhello', /no size/],
  ['a plus before the size', '+5\r\nhello\r\n', /no size/],
  ['a minus before the size', '-5\r\nhello\r\n', /no size/],
  ['a space before the size', ' 5\r\nhello\r\n', /no size/],
  ['a size in 0x', '0x5\r\nhello\r\n', /hex digit/],
  ['a size with a letter beyond f', '5g\r\nhello\r\n', /hex digit/],
  ['a size with an underscore', '1_0\r\nhello\r\n', /hex digit/],
  ['a space after the size', '5 \r\nhello\r\n', /hex digit/],
  ['a space before the semicolon', '5 ;a\r\nhello\r\n', /hex digit/],
  ['a tab after the size', '5\t\r\nhello\r\n', /hex digit/],
  ['a NUL in the size', '5\0\r\nhello\r\n', /hex digit/],
  ['a size that ends in LF alone', '5\nhello\r\n', /hex digit/],
  ['a size that ends in CR alone', '5\rhello\r\n', /not followed by LF/],
  ['a size line with two CRs', '5\r\r\nhello\r\n', /not followed by LF/],
  ['a size of 2^53', '20000000000000\r\n', /beyond 2\^53/],
  ['a size of 2^64 + 5', '10000000000000005\r\n', /beyond 2\^53/],
  ['a size of too many zeros', '00000000000000005\r\n', /beyond 2\^53/],
  ['an extension that ends in LF alone', '5;a\nhello\r\n', /malformed/],
  ['an extension with a NUL', '5;a\0\r\nhello\r\n', /malformed/],
  ['an extension without a name', '5;\r\nhello\r\n', /malformed/],
  ['an extension with a value alone', '5;=a\r\nhello\r\n', /malformed/],
  ['an extension with an empty value', '5;a=\r\nhello\r\n', /malformed/],
  ['an extension with two values', '5;a=b=c\r\nhello\r\n', /malformed/],
  ['an extension with a space', '5; a\r\nhello\r\n', /malformed/],
  ['an extension with a NUL in quotes', '5;a="\0"\r\nhello\r\n', /malformed/],
  ['an escaped NUL in an extension', '5;a="\\\0"\r\nhello\r\n', /malformed/],
  ['an unclosed quote in an extension', '5;a="b\r\nhello\r\n', /malformed/],
  ['something after a quote in an extension', '5;a="b"c\r\nhello\r\n', /malformed/],
  ['an extension with a CR within', '5;a\rb\r\nhello\r\n', /not followed by LF/],
  ['an extension that is too long', `5;${'a'.repeat(1_025)}\r\n`, /too long/],
  ['extensions too long together', `1;${'a'.repeat(1_000)}\r\na\r\n`.repeat(17), /together/],
  ['data longer than its size', '5\r\nhello!\r\n', /longer than its size/],
  ['data that ends in LF alone', '5\r\nhello\n0\r\n\r\n', /longer than its size/],
  ['data that ends in CR alone', '5\r\nhello\r0\r\n\r\n', /not followed by LF/],
  ['a trailer line that ends in LF alone', '0\r\nA: b\n\r\n', /bare LF/],
  ['trailers that end in LF alone', '0\r\n\n', /bare LF/],
  ['a trailer without a colon', '0\r\nA\r\n\r\n', /field name/],
  ['a trailer without a name', '0\r\n: b\r\n\r\n', /field name/],
  ['a folded trailer', '0\r\nA: b\r\n c\r\n\r\n', /field name/],
  ['a trailer with a space before its colon', '0\r\nA : b\r\n\r\n', /field name/],
  ['a trailer with a NUL', '0\r\nA: b\0\r\n\r\n', /control byte/],
  ['a trailer with a CR within', '0\r\nA: b\rc\r\n\r\n', /control byte/],
  ['trailers that are too large', `0\r\n${'A: b\r\n'.repeat(3_000)}`, /too large/],
  ['a trailer that never ends', `0\r\nA: ${'b'.repeat(17_000)}`, /too large/],
]

for (const [what, text, detail] of bad) {
  test(`a chunked body is refused for ${what}, whatever its reads`, () => {
    for (const decoded of decodings(text)) {
      assert.equal(decoded.code, CHUNK.error)
      assert.match(decoded.decoder.detail, detail)
    }
  })
}

test('a chunk may be as large as 2^53 - 1 bytes', () => {
  const decoded = decode('1fffffffffffff\r\nabc', 100)
  assert.equal(decoded.code, CHUNK.more)
  assert.equal(decoded.body, 'abc')
})

test('trailers that frame, route or authenticate are dropped, all others pass in order', () => {
  const dropped = [
    'Content-Length',
    'transfer-encoding',
    'HOST',
    'Authorization',
    'Cookie',
    'Set-Cookie',
    'Connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Upgrade',
    'Content-Type',
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X_Forwarded_Host',
    'Forwarded',
    'Evenkeel-Epoch',
    'Expect',
    'Cache-Control',
  ]
  const lines = dropped.map((name) => `${name}: x\r\n`).join('')
  const [decoded] = decodings(`0\r\ngrpc-status: 0\r\n${lines}Digest: y\r\n\r\n`)
  assert.equal(decoded!.code, CHUNK.done)
  assert.equal(decoded!.decoder.trailers, 'grpc-status: 0\r\nDigest: y\r\n')
})

test('done and error last until reset, after which nothing of the old body shows', () => {
  const decoder = new ChunkedDecoder()
  const body = Buffer.from('2\r\nab\r\n0\r\nA: b\r\n\r\nnext')
  assert.equal(decoder.next(body, 0, body.length), CHUNK.data)
  assert.equal(decoder.next(body, decoder.position, body.length), CHUNK.done)
  const end = decoder.position
  assert.equal(decoder.next(body, end, body.length), CHUNK.done)
  assert.equal(decoder.position, end)
  decoder.reset()
  assert.equal(decoder.trailers, '')
  const bad = Buffer.from('3;x\r\nabcd')
  assert.equal(decoder.next(bad, 0, bad.length), CHUNK.data)
  assert.equal(decoder.next(bad, decoder.position, bad.length), CHUNK.error)
  assert.equal(decoder.next(bad, 0, bad.length), CHUNK.error)
  decoder.reset()
  assert.deepEqual(decoder, new ChunkedDecoder())
  assert.equal(decoder.next(body, 0, body.length), CHUNK.data)
})

test('extensions and trailers at their limits pass, in one body after the other', () => {
  const decoder = new ChunkedDecoder()
  const chunk = `1;${'a'.repeat(1_023)}\r\nx\r\n`
  const body = Buffer.from(`${chunk.repeat(16)}0\r\nA: ${'b'.repeat(16_377)}\r\n\r\n`)
  for (let n = 0; n < 3; n++) {
    decoder.reset()
    let code: number = decoder.next(body, 0, body.length)
    while (code === CHUNK.data) code = decoder.next(body, decoder.position, body.length)
    assert.equal(code, CHUNK.done, decoder.detail)
  }
  const more = Buffer.from(String(body).replace('A:', 'AB:'))
  decoder.reset()
  let code: number = decoder.next(more, 0, more.length)
  while (code === CHUNK.data) code = decoder.next(more, decoder.position, more.length)
  assert.equal(decoder.detail, 'the trailers are too large')
})

test('what is encoded is decoded again', () => {
  assert.equal(encodeChunkHead(1), '1\r\n')
  assert.equal(encodeChunkHead(65_535), 'ffff\r\n')
  const text = `${encodeChunkHead(26)}${'x'.repeat(26)}\r\n${LAST_CHUNK}`
  assert.equal(decode(text, 1_000).body, 'x'.repeat(26))
})
