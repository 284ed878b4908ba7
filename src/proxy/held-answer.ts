// A whole 500 put aside while another backend is asked: if that one has nothing better,
// the first answer passes. Only an answer that came whole in one read is put aside, so holding it is
// one copy of at most a read buffer, and nothing of it has to be awaited.

import { CHUNK, ChunkedDecoder } from '../http1/chunked.ts'
import { BODY, responseBody } from '../http1/framing.ts'
import { ResponseHead } from '../http1/head.ts'
import type { HeaderChanges } from '../core/route-plan.ts'
import { RESPONSE_LIMITS } from './context.ts'
import type { ClientStream } from './message-view.ts'

/** Is all of this response's body in `bytes[start..end)`, and nothing else that would count? */
export function isWhole(
  head: ResponseHead,
  method: string,
  bytes: Buffer,
  start: number,
  end: number,
): boolean {
  const kind = responseBody(head, method)
  if (kind === BODY.none) return true
  if (kind === BODY.length) return end - start === head.contentLength
  if (kind === BODY.close) return false
  const decoder = new ChunkedDecoder()
  let position = start
  for (;;) {
    const result = decoder.next(bytes, position, end)
    position = decoder.position
    if (result !== CHUNK.data) return result === CHUNK.done && position === end
  }
}

/** Answers the client with a response that was put aside, as if it came now. */
export function passHeld(
  client: ClientStream,
  answer: Buffer,
  method: string,
  changes: HeaderChanges,
): void {
  const head = new ResponseHead(RESPONSE_LIMITS)
  head.parse(answer, 0, answer.length)
  const kind = responseBody(head, method)
  client.sendHead(head, kind, changes)
  let trailers = ''
  if (kind === BODY.length && head.bytes < answer.length) {
    client.sendBytes(answer, head.bytes, answer.length, true)
  } else if (kind === BODY.chunked) {
    const decoder = new ChunkedDecoder()
    let position = head.bytes
    while (decoder.next(answer, position, answer.length) === CHUNK.data) {
      position = decoder.position
      client.sendBytes(answer, decoder.dataStart, decoder.dataEnd, true)
    }
    trailers = decoder.trailers
  }
  client.sendEnd(trailers)
}
