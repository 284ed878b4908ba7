// Reads whole byte streams with http1, as the proxy would, for comparison with other parsers.

import { CHUNK, ChunkedDecoder } from '../../src/http1/chunked.ts'
import { BODY, requestBody, responseBody } from '../../src/http1/framing.ts'
import { PARSE, RequestHead, ResponseHead } from '../../src/http1/head.ts'
import type { HeadLimits } from '../../src/http1/head.ts'

/** One message as a parser understood it. */
export interface Message {
  /** Method and target, or status and reason. */
  readonly start: string
  /** Names and values in turn, as they were sent. */
  readonly fields: readonly string[]
  readonly body: string
  /** Complete lines. */
  readonly trailers: string
  /** Where in the stream it ends. */
  readonly end: number
}

/** What a stream of bytes was taken for. */
export interface Reading {
  readonly messages: Message[]
  /**
   * `refused`: by a rule; `open`: more bytes were needed; `whole`: nothing was left over; `closing`:
   * the last message ends the connection.
   */
  readonly end: 'refused' | 'open' | 'whole' | 'closing'
}

export const limits: HeadLimits = { headBytesMax: 16_384, targetBytesMax: 8_192, fieldsMax: 100 }

interface Body {
  /** Where the message ends, −1 if it is incomplete, −2 if it is refused. */
  readonly next: number
  readonly text: string
  readonly trailers: string
}

function readChunks(bytes: Buffer, from: number): Body {
  const decoder = new ChunkedDecoder()
  let text = ''
  let code = decoder.next(bytes, from, bytes.length)
  while (code === CHUNK.data) {
    text += bytes.toString('latin1', decoder.dataStart, decoder.dataEnd)
    code = decoder.next(bytes, decoder.position, bytes.length)
  }
  const next = code === CHUNK.done ? decoder.position : code === CHUNK.more ? -1 : -2
  return { next, text, trailers: decoder.trailers }
}

function readBody(bytes: Buffer, from: number, kind: number, length: number): Body {
  if (kind === BODY.chunked) return readChunks(bytes, from)
  const size = kind === BODY.length ? length : kind === BODY.close ? bytes.length - from : 0
  const next = from + size
  if (next > bytes.length) return { next: -1, text: '', trailers: '' }
  return { next, text: bytes.toString('latin1', from, next), trailers: '' }
}

function fieldsOf(head: RequestHead | ResponseHead): string[] {
  const fields: string[] = []
  for (let i = 0; i < head.fieldCount; i++) fields.push(head.nameAt(i), head.valueAt(i))
  return fields
}

/** Reads requests one after the other until the connection would end. */
export function readRequests(bytes: Buffer): Reading {
  const messages: Message[] = []
  const head = new RequestHead(limits)
  let position = 0
  while (position < bytes.length) {
    head.reset()
    const code = head.parse(bytes, position, bytes.length)
    if (code === PARSE.error) return { messages, end: 'refused' }
    if (code === PARSE.incomplete) return { messages, end: 'open' }
    const from = position + head.bytes
    const body = readBody(bytes, from, requestBody(head), head.contentLength)
    if (body.next < 0) {
      return { messages, end: body.next === -1 ? 'open' : 'refused' }
    }
    messages.push({
      start: `${head.method} ${head.target}`,
      fields: fieldsOf(head),
      body: body.text,
      trailers: body.trailers,
      end: body.next,
    })
    position = body.next
    if (!head.keepAlive) return { messages, end: 'closing' }
  }
  return { messages, end: 'whole' }
}

/** Reads one response to `method`; informational ones before it are left out. */
export function readResponse(bytes: Buffer, method: string): Reading {
  const head = new ResponseHead(limits)
  let position = 0
  do {
    head.reset()
    const code = head.parse(bytes, position, bytes.length)
    if (code === PARSE.error) return { messages: [], end: 'refused' }
    if (code === PARSE.incomplete) return { messages: [], end: 'open' }
    position += head.bytes
  } while (head.status < 200 && head.status !== 101)
  const body = readBody(bytes, position, responseBody(head, method), head.contentLength)
  if (body.next < 0) return { messages: [], end: body.next === -1 ? 'open' : 'refused' }
  const message: Message = {
    start: `${head.status} ${head.reason}`,
    fields: fieldsOf(head),
    body: body.text,
    trailers: body.trailers,
    end: body.next,
  }
  return { messages: [message], end: 'whole' }
}
