// The request view over an HTTP/1 head: everything is taken from the parsed head when it is asked for.

import type { HeaderChanges } from '../core/route-plan.ts'
import { forwardRequest } from '../http1/forward.ts'
import type { RequestForward } from '../http1/forward.ts'
import { requestBody } from '../http1/framing.ts'
import { RequestHead } from '../http1/head.ts'
import type { HeadLimits } from '../http1/head.ts'
import type { RequestView } from './message-view.ts'

const VIA = '1.1 evenkeel'

export class Http1Request implements RequestView {
  readonly head: RequestHead
  bodyKind = 0
  private readonly options: RequestForward = {
    target: '',
    host: '',
    added: '',
    trusted: false,
    clientAddress: '',
    scheme: 'http',
    forwarded: false,
    via: VIA,
    changes: null,
    body: 0,
    contentLength: 0,
    upgrade: false,
  }

  constructor(limits: HeadLimits) {
    this.head = new RequestHead(limits)
  }

  /** Takes the head just parsed for the request of a connection. `added` are `connectionLines`. */
  attach(added: string, trusted: boolean, clientAddress: string, forwarded: boolean): void {
    const options = this.options
    options.added = added
    options.trusted = trusted
    options.clientAddress = clientAddress
    options.forwarded = forwarded
    this.bodyKind = requestBody(this.head)
  }

  get method(): string {
    return this.head.method
  }

  get host(): string {
    return this.head.host
  }

  get path(): string {
    return this.head.path
  }

  get scheme(): string {
    return 'http'
  }

  get version(): string {
    return this.head.minor === 0 ? '1.0' : '1.1'
  }

  get contentLength(): number {
    return this.head.contentLength
  }

  get expectContinue(): boolean {
    return this.head.expectContinue
  }

  get upgrade(): string {
    return this.head.upgrade === 'websocket' ? this.head.upgrade : ''
  }

  get maxForwards(): number {
    return this.head.maxForwards
  }

  header(name: string): string | null {
    return this.head.header(name)
  }

  writeHttp1(target: string, changes: HeaderChanges | null): string {
    const options = this.options
    options.target = target
    options.host = this.head.host
    options.changes = changes
    options.body = this.bodyKind
    options.contentLength = this.head.contentLength
    options.upgrade = this.upgrade !== ''
    return forwardRequest(this.head, options)
  }
}
