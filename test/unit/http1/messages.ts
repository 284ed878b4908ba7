// What the tests of http1 share: limits, and parsing of whole messages and of messages byte by byte.

import { PARSE, RequestHead, ResponseHead } from '../../../src/http1/head.ts'
import type { HeadLimits } from '../../../src/http1/head.ts'

export const limits: HeadLimits = { headBytesMax: 2_048, targetBytesMax: 256, fieldsMax: 20 }

/** Parses `text` in one read. */
export function parseRequest(text: string, bounds = limits): { code: number; head: RequestHead } {
  const bytes = Buffer.from(text, 'latin1')
  const head = new RequestHead(bounds)
  return { code: head.parse(bytes, 0, bytes.length), head }
}

/** Parses `text` in one read. */
export function parseResponse(text: string, bounds = limits): { code: number; head: ResponseHead } {
  const bytes = Buffer.from(text, 'latin1')
  const head = new ResponseHead(bounds)
  return { code: head.parse(bytes, 0, bytes.length), head }
}

/**
 * Feeds `text` to `head` byte by byte, each time from a buffer of its own whose surroundings are
 * line ends, so that a read beyond `end` would show.
 */
export function drip(head: RequestHead | ResponseHead, text: string): number {
  for (let end = 1; end <= text.length; end++) {
    const bytes = Buffer.from(`\r\n\r\n${text.slice(0, end)}\r\n\r\n\r\n`, 'latin1')
    const code = head.parse(bytes, 4, 4 + end)
    if (code !== PARSE.incomplete) return code
  }
  return PARSE.incomplete
}

/** A request that was accepted. */
export function accepted(text: string): RequestHead {
  const { code, head } = parseRequest(text)
  if (code !== PARSE.done) throw new Error(`not accepted: ${JSON.stringify(text)} (${head.detail})`)
  return head
}

/** A response that was accepted. */
export function acceptedResponse(text: string): ResponseHead {
  const { code, head } = parseResponse(text)
  if (code !== PARSE.done) throw new Error(`not accepted: ${JSON.stringify(text)} (${head.detail})`)
  return head
}
