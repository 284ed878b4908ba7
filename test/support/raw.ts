// Raw sockets for tests, on both ends: every read is awaited, every write and end is said. A peer
// never does anything by itself, so that a script decides what the other side sees, and when.

import { createHash } from 'node:crypto'
import net from 'node:net'
import { resetSocket } from './reset.ts'

const WAIT_MS = 5_000

interface Waiter {
  readonly what: string
  /** True: satisfied. */
  check(): boolean
  resolve(): void
  reject(error: Error): void
  readonly timer: NodeJS.Timeout
}

/** One end of a connection. */
export class Peer {
  readonly socket: net.Socket
  /** All bytes received so far. */
  received = 0
  /** The other side has ended its direction. */
  ended = false
  /** The connection is gone; `code` says how. */
  closed = false
  /** Error code of the end, '' for a clean one. */
  code = ''
  readonly #chunks: Buffer[] = []
  #length = 0
  #waiter: Waiter | null = null

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('data', (bytes) => {
      this.#chunks.push(bytes)
      this.#length += bytes.length
      this.received += bytes.length
      this.#wake()
    })
    socket.on('end', () => {
      this.ended = true
      this.#wake()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.code = error.code ?? 'EUNKNOWN'
    })
    socket.on('close', () => {
      this.closed = true
      this.#wake()
    })
  }

  /** Bytes received and not yet taken. */
  get available(): number {
    return this.#length
  }

  /** Takes the text up to and with `marker`. */
  async until(marker: string): Promise<string> {
    await this.#wait(JSON.stringify(marker), () => this.#peek().includes(marker, 0, 'latin1'))
    const all = this.#peek()
    return this.#take(all.indexOf(marker, 0, 'latin1') + marker.length).toString('latin1')
  }

  /** Takes exactly `count` bytes. */
  async bytes(count: number): Promise<Buffer> {
    await this.#wait(`${count} bytes`, () => this.#length >= count)
    return this.#take(count)
  }

  async text(count: number): Promise<string> {
    return (await this.bytes(count)).toString('latin1')
  }

  /** Takes `count` bytes and returns their SHA-1, without holding them. */
  async hash(count: number): Promise<string> {
    const hash = createHash('sha1')
    let left = count
    while (left > 0) {
      await this.#wait(`${left} more bytes`, () => this.#length > 0)
      const part = this.#take(Math.min(left, this.#length))
      hash.update(part)
      left -= part.length
    }
    return hash.digest('hex')
  }

  /** Waits for the other side's FIN; returns what came before it. Fails on a reset. */
  async end(): Promise<string> {
    await this.#wait('the end', () => this.ended)
    return this.#take(this.#length).toString('latin1')
  }

  /** Waits until the connection is gone; returns its error code, '' for a clean end. */
  async close(): Promise<string> {
    await this.#wait('the close', () => this.closed, true)
    return this.code
  }

  /** Waits until the other side has ended or broken the connection. */
  async gone(): Promise<void> {
    await this.#wait('the end or the close', () => this.ended || this.closed, true)
  }

  /** Takes what has come so far. */
  takeAll(): string {
    return this.#take(this.#length).toString('latin1')
  }

  write(data: string | Buffer): void {
    if (typeof data === 'string') this.socket.write(data, 'latin1')
    else this.socket.write(data)
  }

  /** Writes and resolves once the kernel has taken it all. */
  async send(data: string | Buffer): Promise<void> {
    await new Promise<void>((resolve) => {
      const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
      this.socket.write(bytes, () => resolve())
    })
  }

  /** Ends our direction. */
  finish(data = ''): void {
    this.socket.end(data, 'latin1')
  }

  reset(): void {
    // A unix socket knows no reset.
    if (this.socket.remoteAddress === undefined) this.socket.destroy()
    else resetSocket(this.socket)
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Stops reading, so that the other side's writes fill up. */
  stop(): void {
    this.socket.pause()
  }

  go(): void {
    this.socket.resume()
  }

  #peek(): Buffer {
    if (this.#chunks.length > 1) this.#chunks.splice(0, Infinity, Buffer.concat(this.#chunks))
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  #take(count: number): Buffer {
    this.#length -= count
    const parts: Buffer[] = []
    let left = count
    while (left > 0) {
      const first = this.#chunks[0]!
      if (first.length <= left) this.#chunks.shift()
      else this.#chunks[0] = first.subarray(left)
      parts.push(first.subarray(0, left))
      left -= Math.min(left, first.length)
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  async #wait(what: string, check: () => boolean, closeIsFine = false): Promise<void> {
    if (check()) return
    if (this.closed && !closeIsFine)
      throw this.#error(`waited for ${what}, but the connection is gone`)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiter = null
        reject(this.#error(`waited ${WAIT_MS} ms for ${what}`))
      }, WAIT_MS)
      this.#waiter = { what, check, resolve, reject, timer }
    })
  }

  #wake(): void {
    const waiter = this.#waiter
    if (waiter === null) return
    const done = waiter.check()
    if (!done && !this.closed && !(this.ended && !waiter.what.startsWith('the '))) return
    this.#waiter = null
    clearTimeout(waiter.timer)
    if (done) waiter.resolve()
    else {
      const how = this.closed ? `closed (${this.code || 'clean'})` : 'ended'
      waiter.reject(this.#error(`waited for ${waiter.what}, but the connection ${how}`))
    }
  }

  #error(message: string): Error {
    const all = this.#peek().toString('latin1')
    const shown = all.length > 600 ? `${all.slice(0, 600)}… (${all.length})` : all
    return new Error(`${message}; got ${JSON.stringify(shown)}`)
  }
}

/** Opens a connection and waits until it stands. */
export async function connectTo(port: number | string): Promise<Peer> {
  const socket = new net.Socket({ allowHalfOpen: true })
  const peer = new Peer(socket)
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    const done = (): void => {
      socket.removeListener('error', reject)
      resolve()
    }
    if (typeof port === 'number') socket.connect({ port, host: '127.0.0.1', noDelay: true }, done)
    else socket.connect({ path: port }, done)
  })
  return peer
}

/** What a backend does with a connection; `index` counts its connections from 0. */
export type Script = (peer: Peer, index: number) => Promise<void> | void

/** A server whose connections are played by a script. */
export class RawServer {
  readonly server: net.Server
  readonly peers: Peer[] = []
  script: Script
  /** The first thing a script threw, apart from the end of its connection. */
  failure: unknown = null
  #waiters: { readonly index: number; resolve(peer: Peer): void }[] = []

  constructor(script: Script) {
    this.script = script
    this.server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const peer = new Peer(socket)
      const index = this.peers.push(peer) - 1
      const run = async (): Promise<void> => this.script(peer, index)
      run().catch((error: unknown) => {
        if (!peer.closed && !peer.ended) this.failure ??= error
      })
      for (const waiter of this.#waiters.filter((one) => one.index === index)) waiter.resolve(peer)
    })
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port
  }

  /** `host:port`, or `unix:/path`. */
  get address(): string {
    const address = this.server.address()
    return typeof address === 'string' ? `unix:${address}` : `127.0.0.1:${this.port}`
  }

  /** The connection with this number, once it is accepted. */
  async peer(index: number): Promise<Peer> {
    const peer = this.peers[index]
    if (peer !== undefined) return peer
    return new Promise<Peer>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`waited ${WAIT_MS} ms for connection ${index}`))
      }, WAIT_MS)
      const done = (found: Peer): void => {
        clearTimeout(timer)
        resolve(found)
      }
      this.#waiters.push({ index, resolve: done })
    })
  }

  async stop(): Promise<void> {
    for (const peer of this.peers) peer.destroy()
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve())
    })
    if (this.failure !== null) throw this.failure
  }
}

/** Starts a server on a free port of 127.0.0.1, or on a unix socket. */
export async function serve(script: Script = () => {}, path = ''): Promise<RawServer> {
  const server = new RawServer(script)
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject)
    if (path === '') server.server.listen(0, '127.0.0.1', 1_024, resolve)
    else server.server.listen(path, resolve)
  })
  return server
}

/** A message as it came: its head without the blank line, and its body with the framing undone. */
export interface Message {
  readonly head: string
  readonly start: string
  readonly body: string
  readonly trailers: string
  /** Value of a field, null if absent; repeated ones joined by `, `. */
  field(name: string): string | null
}

/** The first line and fields of a head. */
export function field(head: string, name: string): string | null {
  const wanted = name.toLowerCase()
  const values = head
    .split('\r\n')
    .slice(1)
    .filter((line) => line.slice(0, line.indexOf(':')).toLowerCase() === wanted)
    .map((line) => line.slice(line.indexOf(':') + 1).trim())
  return values.length === 0 ? null : values.join(', ')
}

async function readChunks(peer: Peer): Promise<{ body: string; trailers: string }> {
  let body = ''
  for (;;) {
    const size = Number.parseInt(await peer.until('\r\n'), 16)
    if (size === 0) break
    body += await peer.text(size)
    await peer.text(2)
  }
  let trailers = ''
  for (;;) {
    const line = await peer.until('\r\n')
    if (line === '\r\n') return { body, trailers }
    trailers += line
  }
}

async function readMessage(peer: Peer, bodiless: (head: string) => boolean): Promise<Message> {
  const head = (await peer.until('\r\n\r\n')).slice(0, -4)
  const start = head.split('\r\n', 1)[0]!
  let body = ''
  let trailers = ''
  const length = field(head, 'content-length')
  if (bodiless(head)) body = ''
  else if (field(head, 'transfer-encoding') === 'chunked') {
    ;({ body, trailers } = await readChunks(peer))
  } else if (length !== null) body = await peer.text(Number(length))
  else if (start.startsWith('HTTP/')) body = await peer.end()
  return { head, start, body, trailers, field: (name) => field(head, name) }
}

/** Reads a request, by its framing. */
export async function request(peer: Peer): Promise<Message> {
  return readMessage(peer, () => false)
}

/** Reads a response, by its framing. `method` is that of its request. */
export async function response(peer: Peer, method = 'GET'): Promise<Message> {
  return readMessage(peer, (head) => method === 'HEAD' || /^HTTP\/1\.1 (1\d\d|204|304) /.test(head))
}

/** Answers every request on every connection with the same text. */
export function always(text: string): Script {
  return async (peer) => {
    for (;;) {
      await request(peer)
      peer.write(text)
    }
  }
}

/** A 200 with this body. */
export function ok(body: string, headers = ''): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body, 'latin1')}\r\n${headers}\r\n${body}`
}
