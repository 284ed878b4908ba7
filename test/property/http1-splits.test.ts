// However a stream of messages is cut into reads, and wherever in a buffer each read lies, the same
// messages come out. Streams and cuts are made from a seed; a failure prints what repeats it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHUNK, ChunkedDecoder } from '../../src/http1/chunked.ts'
import { BODY, requestBody, responseBody } from '../../src/http1/framing.ts'
import { PARSE, RequestHead, ResponseHead } from '../../src/http1/head.ts'
import { MessageMaker } from '../conformance/http1-messages.ts'
import { limits } from '../conformance/http1-reading.ts'

const NOISE = Buffer.from('\r\n\r\n0\r\n\r\nGET /noise HTTP/1.1\r\nHost: noise\r\n\r\n'.repeat(400))

/** Reads a stream read by read, as a connection does, and writes down what it understood. */
class StreamReader {
  /** Everything understood so far, in one string. */
  said = ''
  /** Was something refused? Nothing is read after that. */
  failed = false
  readonly #head: RequestHead | ResponseHead
  readonly #decoder = new ChunkedDecoder()
  #kind = -1
  #left = 0
  /** Start of the message whose head is being read. */
  #headStart = 0

  constructor(kind: 'request' | 'response') {
    this.#head = kind === 'request' ? new RequestHead(limits) : new ResponseHead(limits)
  }

  /**
   * Takes the read `stream[from..to)`. A head is handed over whole, in a buffer of noise at the
   * offset `shift`; a body is read where it lies.
   */
  take(stream: Buffer, from: number, to: number, shift: number): void {
    let position = from
    while (position < to && !this.failed) {
      position =
        this.#kind < 0 ? this.#takeHead(stream, to, shift) : this.#takeBody(stream, position, to)
    }
  }

  #takeHead(stream: Buffer, to: number, shift: number): number {
    const length = to - this.#headStart
    stream.copy(NOISE, shift, this.#headStart, to)
    const code = this.#head.parse(NOISE, shift, shift + length)
    if (code === PARSE.incomplete) return to
    if (code === PARSE.error) {
      this.failed = true
      this.said += `!${this.#head.fault}: ${this.#head.detail}`
      return to
    }
    const head = this.#head
    const kind = head instanceof RequestHead ? requestBody(head) : responseBody(head, 'GET')
    this.said += `${head.bytes} ${head.text}${kind} ${head.contentLength}>`
    const next = this.#headStart + head.bytes
    this.#kind = kind
    this.#left = kind === BODY.length ? head.contentLength : 0
    this.#decoder.reset()
    if (kind === BODY.none || (kind === BODY.length && this.#left === 0)) this.#finish(next)
    return next
  }

  #takeBody(stream: Buffer, position: number, to: number): number {
    if (this.#kind === BODY.chunked) return this.#takeChunks(stream, position, to)
    const end = this.#kind === BODY.length ? Math.min(to, position + this.#left) : to
    this.said += stream.toString('latin1', position, end)
    this.#left -= end - position
    if (this.#kind === BODY.length && this.#left === 0) this.#finish(end)
    return end
  }

  #takeChunks(stream: Buffer, position: number, to: number): number {
    const decoder = this.#decoder
    const code = decoder.next(stream, position, to)
    if (code === CHUNK.data)
      this.said += stream.toString('latin1', decoder.dataStart, decoder.dataEnd)
    if (code === CHUNK.error) {
      this.failed = true
      this.said += `!${decoder.detail}`
    }
    if (code === CHUNK.done) {
      this.said += `<${decoder.trailers}`
      this.#finish(decoder.position)
    }
    return decoder.position
  }

  #finish(next: number): void {
    this.said += '.'
    this.#kind = -1
    this.#headStart = next
    this.#head.reset()
  }
}

/** Reads `stream` in one piece. */
function whole(stream: Buffer, kind: 'request' | 'response'): StreamReader {
  const reader = new StreamReader(kind)
  reader.take(stream, 0, stream.length, 0)
  return reader
}

/** Reads `stream` in pieces of random lengths: mostly short ones, or mostly long ones. */
function cut(stream: Buffer, kind: 'request' | 'response', maker: MessageMaker): string {
  const reader = new StreamReader(kind)
  const longest = 1 + maker.below(maker.below(4) === 0 ? 8 : stream.length)
  for (let from = 0; from < stream.length;) {
    const to = Math.min(stream.length, from + 1 + maker.below(longest))
    reader.take(stream, from, to, maker.below(50))
    from = to
  }
  return reader.said
}

/** Cuts up each of `count` streams from `make` fifty times. */
function check(count: number, seed: number, make: (maker: MessageMaker, i: number) => string) {
  const maker = new MessageMaker(seed)
  for (let i = 0; i < count; i++) {
    const kind = kindOf(i)
    const text = make(maker, i)
    const stream = Buffer.from(text, 'latin1')
    const expected = whole(stream, kind).said
    for (let n = 0; n < 50; n++) {
      const actual = cut(stream, kind, maker)
      if (actual !== expected) {
        assert.equal(actual, expected, `seed ${seed}, stream ${i}: ${JSON.stringify(text)}`)
      }
    }
  }
}

function kindOf(index: number): 'request' | 'response' {
  return index % 4 === 0 ? 'response' : 'request'
}

function messages(maker: MessageMaker, index: number): string {
  let text = ''
  do text += kindOf(index) === 'response' ? maker.response() : maker.request()
  while (maker.below(2) === 0)
  return text
}

test('100,000 random ways to cut valid streams into reads change nothing', () => {
  check(2_000, 31_337, (maker, index) => {
    for (;;) {
      const text = messages(maker, index)
      if (!whole(Buffer.from(text, 'latin1'), kindOf(index)).failed) return text
    }
  })
})

// The line ends complete a line in which damage would otherwise wait to be found.
test('25,000 random ways to cut damaged streams into reads change nothing', () => {
  check(500, 73_313, (maker, index) => `${maker.damaged(messages(maker, index))}\r\n\r\n`)
})

test('a head that drips in byte by byte costs no more than twice its length', () => {
  const text = `GET /${'a'.repeat(8_000)} HTTP/1.1\r\nHost: a\r\nX: ${'b'.repeat(8_000)}\r\n\r\n`
  const bytes = Buffer.from(text)
  const reads = new Uint32Array(bytes.length)
  const watched = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads[Number(key)]!++
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const head = new RequestHead({ headBytesMax: 32_768, targetBytesMax: 16_384, fieldsMax: 10 })
  let code: number = PARSE.incomplete
  for (let end = 1; end <= bytes.length; end++) code = head.parse(watched, 0, end)
  assert.equal(code, PARSE.done)
  const sum = reads.reduce((total, count) => total + count, 0)
  assert.ok(sum < 3 * bytes.length, `${sum} looks at ${bytes.length} bytes`)
})
