// What an exchange sees of a request and a response: no socket, no HTTP/1 bytes. HTTP/1 fills these
// views lazily from the bytes of the head; HTTP/2 will fill them from its header lists.

import type { Fault } from '../core/fault.ts'
import type { HeaderChanges } from '../core/route-plan.ts'
import type { RouteRequest } from '../route/match.ts'
import type { Channel } from './channel.ts'

/** A request, as long as its exchange lives. */
export interface RequestView extends RouteRequest {
  readonly scheme: string
  /** `HTTP/1.1` or `HTTP/1.0`, for the log. */
  readonly version: string
  /** A `BODY` kind of http1/framing. */
  readonly bodyKind: number
  /** −1 if not announced. */
  readonly contentLength: number
  /** The client waits for `100 Continue`. */
  readonly expectContinue: boolean
  /** Protocol asked for, lower case; '' for none. */
  readonly upgrade: string
  /** Value of Max-Forwards; −1 if absent. */
  readonly maxForwards: number
  /** The head as it goes to a backend over HTTP/1.1. */
  writeHttp1(target: string, changes: HeaderChanges | null): string
}

/** A response head. Only good during the call that brings it. */
export interface ResponseView {
  readonly status: number
  readonly contentLength: number
  header(name: string): string | null
}

/** The client's end of an exchange. Calls collect; `flush` sends. */
export interface ClientStream {
  readonly request: RequestView
  readonly address: string
  readonly port: number
  /** Something written has not been taken by the client yet. */
  readonly pending: boolean
  /** Passes a 1xx on, if the client's version has such. */
  sendInformational(head: ResponseView): void
  /** `body` is the BODY kind of the response. */
  sendHead(head: ResponseView, body: number, changes: HeaderChanges | null): void
  sendBytes(bytes: Buffer, start: number, end: number, owned: boolean): void
  /** The response is complete; sends it. True: all has left. */
  sendEnd(trailers: string): boolean
  /** A whole answer of our own. `headers` are complete lines. */
  sendReply(status: number, headers: string, body: string, close: boolean): void
  /** True: all has left. */
  flush(): boolean
  /** Breaks the connection visibly: a response that began can't be completed. */
  cut(): void
  pauseRequest(): void
  resumeRequest(): void
  /** Hands the connection over after a 101. Early bytes of the client are replayed to `peer`. */
  becomeTunnel(head: ResponseView): TunnelEnd
  /** The tunnel is over, and with it the connection. */
  endTunnel(bytesUp: number, bytesDown: number): void
}

/** A connection that has stopped speaking HTTP, with what it had already received. */
export interface TunnelEnd {
  readonly channel: Channel
  readonly early: Buffer | null
  /** Its peer had ended its direction before. */
  readonly ended: boolean
}

/** The backend's end of an attempt. */
export interface BackendStream {
  /** Sends the head and what there is of the body (latin1) in one write. True: all has left. */
  sendRequest(head: string, kind: number, body: string, done: boolean, trailers: string): boolean
  /** A write has not left yet. */
  readonly sendPending: boolean
  sendBytes(bytes: Buffer, start: number, end: number, owned: boolean): boolean
  sendEnd(trailers: string): void
  pauseResponse(): void
  resumeResponse(): void
  /** Gives the attempt up; the connection can't be used again. */
  abort(): void
}

/** Who waits for the answer of a backend: the exchange. */
export interface ResponseReceiver {
  readonly method: string
  /** All of the request has been handed to the connection. */
  readonly requestSent: boolean
  readonly upgradeWanted: boolean
  onConnected(): void
  onInformational(head: ResponseView): void
  /**
   * A 500 that came whole, `bytes[start..end)` with its head. True: it was taken (copied), and the
   * connection is not needed any more. False: it follows like any other answer.
   */
  onServerError(bytes: Buffer, start: number, end: number): boolean
  /** False: the answer isn't wanted (it will be tried elsewhere). */
  onResponseHead(head: ResponseView, body: number): boolean
  onResponseBytes(bytes: Buffer, start: number, end: number, owned: boolean): void
  /** True: all of the answer has left. */
  onResponseEnd(trailers: string): boolean
  /** `end` is the bare connection, with what the backend sent behind its 101. */
  onUpgraded(head: ResponseView, end: TunnelEnd): void
  /** After each read: what was collected should leave. */
  onReadDone(): void
  onSendDrain(): void
  onAttemptFailed(cause: Fault, detail: string): void
}
