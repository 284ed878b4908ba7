// Writes answers in HTTP/1 to a client's channel. Text is collected until `flush`, so that a small
// answer (head, body and end) is one write; bulk in a buffer of its own goes out without a copy.

import type { HeaderChanges } from '../core/route-plan.ts'
import { encodeChunkHead, LAST_CHUNK } from '../http1/chunked.ts'
import { forwardInformational, forwardResponse } from '../http1/forward.ts'
import type { ResponseForward } from '../http1/forward.ts'
import { BODY } from '../http1/framing.ts'
import type { ResponseHead } from '../http1/head.ts'
import type { ThreadContext } from './context.ts'
import type { Http1Request } from './http1-request.ts'
import type { ResponseView } from './message-view.ts'
import { reasonOf } from './replies.ts'
import { latin1 } from './channel.ts'
import type { Channel } from './channel.ts'

/** Bytes shorter than this are cheaper to copy into the same write. */
const COPY_BYTES = 16 * 1024

export class Http1Responder {
  /** A final head has been written or collected. */
  begun = false
  keepAlive = false
  /** Lines for the head of the answer that comes next from a backend. */
  added = ''
  /** Bytes of the answer so far, head included. */
  bytesOut = 0
  private readonly context: ThreadContext
  private readonly request: Http1Request
  private channel: Channel | null = null
  private text = ''
  private corked = false
  private chunked = false
  private readonly options: ResponseForward = {
    body: 0,
    contentLength: 0,
    connection: '',
    minor: 1,
    date: '',
    changes: null,
    upgrade: false,
    method: '',
    added: '',
  }

  constructor(context: ThreadContext, request: Http1Request) {
    this.context = context
    this.request = request
  }

  reset(): void {
    this.begun = false
    this.bytesOut = 0
    this.channel = null
    this.text = ''
    this.corked = false
  }

  informational(channel: Channel, head: ResponseView): void {
    if (this.request.head.minor === 0) return
    this.channel = channel
    this.add(forwardInformational(head as ResponseHead))
  }

  /** The final head. A body whose length is unknown is chunked for 1.1, ended by the close for 1.0. */
  begin(
    channel: Channel,
    head: ResponseView,
    body: number,
    changes: HeaderChanges | null,
    keepAlive: boolean,
  ): void {
    const minor = this.request.head.minor
    const unknownLength = body === BODY.chunked || body === BODY.close
    const kind = unknownLength ? (minor === 0 ? BODY.close : BODY.chunked) : body
    const options = this.options
    this.channel = channel
    this.begun = true
    this.chunked = kind === BODY.chunked
    this.keepAlive = keepAlive && kind !== BODY.close
    options.body = kind
    options.contentLength = head.contentLength
    options.connection = this.connectionToken(this.keepAlive)
    options.minor = minor
    options.date = this.context.dateText
    options.changes = changes
    options.upgrade = false
    options.method = this.request.head.method
    options.added = this.added
    this.add(forwardResponse(head as ResponseHead, options))
  }

  bytes(bytes: Buffer, start: number, end: number, owned: boolean): void {
    const length = end - start
    const channel = this.channel!
    if (this.chunked) this.add(encodeChunkHead(length))
    if (length < COPY_BYTES) {
      this.add(latin1(bytes, start, end))
    } else {
      if (this.text !== '' || this.chunked) {
        if (!this.corked) channel.cork()
        this.corked = true
        channel.writeText(this.text)
        this.text = ''
      }
      if (owned) channel.writeBytes(bytes, start, end)
      else channel.writeCopy(bytes, start, end)
      this.bytesOut += length
    }
    if (this.chunked) this.add('\r\n')
  }

  end(trailers: string): void {
    if (this.chunked) this.add(trailers === '' ? LAST_CHUNK : `0\r\n${trailers}\r\n`)
  }

  /** A whole answer of our own. */
  reply(channel: Channel, status: number, headers: string, body: string, keepAlive: boolean): void {
    this.channel = channel
    this.begun = true
    this.keepAlive = keepAlive
    this.chunked = false
    const token = this.connectionToken(keepAlive)
    const bytes = Buffer.from(body, 'utf8')
    const bodiless = status === 204 || status === 304
    this.add(
      `HTTP/1.1 ${status} ${reasonOf(status)}\r\nDate: ${this.context.dateText}\r\n${headers}` +
        (bodiless ? '' : `Content-Length: ${bytes.length}\r\n`) +
        `${token === '' ? '' : `Connection: ${token}\r\n`}\r\n`,
    )
    if (!bodiless && this.request.head.method !== 'HEAD') this.add(bytes.toString('latin1'))
  }

  /** The 101 that ends HTTP on this connection. */
  upgrade(channel: Channel, head: ResponseView): void {
    const options = this.options
    this.channel = channel
    this.begun = true
    options.body = BODY.none
    options.connection = ''
    options.date = this.context.dateText
    options.changes = null
    options.upgrade = true
    options.added = ''
    options.method = this.request.head.method
    this.add(forwardResponse(head as ResponseHead, options))
    this.flush()
  }

  /** Sends what was collected. True: all has left. */
  flush(): boolean {
    const channel = this.channel
    if (channel === null) return true
    if (this.text !== '') {
      channel.writeText(this.text)
      this.text = ''
    }
    if (this.corked) {
      this.corked = false
      return channel.uncork()
    }
    return !channel.pending
  }

  private add(text: string): void {
    this.text += text
    this.bytesOut += text.length
  }

  private connectionToken(keepAlive: boolean): string {
    if (!keepAlive) return 'close'
    return this.request.head.minor === 0 ? 'keep-alive' : ''
  }
}
