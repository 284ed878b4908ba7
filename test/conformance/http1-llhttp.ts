// Reads byte streams with Node's own parser (llhttp), through the public `node:http` alone: a server
// or a client on a connection in memory.

import http from 'node:http'
import { Duplex } from 'node:stream'
import type { Message } from './http1-reading.ts'

/** A message without its place in the stream, which `node:http` doesn't tell. */
export type Understood = Omit<Message, 'end'>

/** A connection whose other end has already sent `bytes`, and takes whatever is written. */
class SentConnection extends Duplex {
  readonly #bytes: Buffer
  readonly #waitForWrite: boolean
  #sent = false

  constructor(bytes: Buffer, waitForWrite: boolean) {
    super()
    this.#bytes = bytes
    this.#waitForWrite = waitForWrite
  }

  #send(): void {
    if (this.#sent) return
    this.#sent = true
    this.push(this.#bytes)
    this.push(null)
  }

  override _read(): void {
    if (!this.#waitForWrite) this.#send()
  }

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    this.#send()
    done()
  }

  // What `node:http` asks of a socket beyond a stream.
  setTimeout(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

function collect(
  message: http.IncomingMessage,
  start: string,
  done: (one: Understood) => void,
): void {
  let body = ''
  message.setEncoding('latin1')
  message.on('data', (piece: string) => (body += piece))
  message.on('end', () => {
    let trailers = ''
    for (let i = 0; i < message.rawTrailers.length; i += 2) {
      trailers += `${message.rawTrailers[i]}: ${message.rawTrailers[i + 1]}\r\n`
    }
    done({ start, fields: message.rawHeaders, body, trailers })
  })
}

/** Reads requests as `http.Server` would. */
export class LlhttpServer {
  readonly #server = http.createServer({ insecureHTTPParser: false, keepAlive: true })
  readonly #readings = new Map<unknown, Understood[]>()

  constructor() {
    const take = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      const messages = this.#readings.get(request.socket)
      collect(request, `${request.method} ${request.url}`, (one) => messages?.push(one))
      response.end()
    }
    this.#server.on('request', take)
    this.#server.on('checkContinue', take)
    this.#server.on('checkExpectation', take)
    this.#server.on('clientError', (_error, socket) => socket.destroy())
  }

  /**
   * The messages in `bytes`, up to the first that is incomplete or refused. A refusal ends the
   * connection at once, so that messages just before it may be missing too.
   */
  read(bytes: Buffer): Promise<Understood[]> {
    return new Promise((resolve) => {
      const connection = new SentConnection(bytes, false)
      const messages: Understood[] = []
      this.#readings.set(connection, messages)
      connection.on('error', () => undefined)
      connection.on('close', () => {
        this.#readings.delete(connection)
        resolve(messages)
      })
      this.#server.emit('connection', connection)
    })
  }

  close(): void {
    this.#server.close()
  }
}

/** Reads the final response to a request of `method` as `http.request` would; `null`: refused. */
export function llhttpResponse(bytes: Buffer, method: string): Promise<Understood | null> {
  return new Promise((resolve) => {
    const connection = new SentConnection(bytes, true)
    const end = (message: Understood | null): void => {
      resolve(message)
      connection.destroy()
    }
    const request = http.request({
      method,
      host: 'a.example',
      insecureHTTPParser: false,
      createConnection: () => connection,
    })
    request.on('response', (response) => {
      response.on('error', () => end(null))
      collect(response, `${response.statusCode} ${response.statusMessage}`, end)
    })
    request.on('upgrade', () => end(null))
    request.on('error', () => end(null))
    request.end()
  })
}
