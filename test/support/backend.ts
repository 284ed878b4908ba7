// A small HTTP backend that can be told to misbehave, and to heal, while it runs. Raw `node:net`, so
// that it can do what a proper server never would. It notes every request it got.

import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { freePort } from './ports.ts'
import { resetSocket } from './reset.ts'

/** What the backend does with a request (or, `refuse`, with a connection). */
export type Behaviour =
  /** Answers 200 with its name, after `delayMs`. */
  | { readonly kind: 'answer'; readonly delayMs?: number; readonly status?: number }
  /** Closes its listener and its connections: connects are refused. */
  | { readonly kind: 'refuse' }
  /** Reads the whole request, then resets the connection. */
  | { readonly kind: 'reset' }
  /** Reads the whole request, then closes the connection without a byte. */
  | { readonly kind: 'close' }
  /** Answers 200 with its name when it is told to: see `letGo`. */
  | { readonly kind: 'hold' }
  /** Accepts, reads and never answers. */
  | { readonly kind: 'silent' }
  /** Sends a head that promises more than the half of the body it then sends, and resets. */
  | { readonly kind: 'cut' }
  /** Sends what is no HTTP response. */
  | { readonly kind: 'garbage' }

export interface SeenRequest {
  readonly method: string
  readonly target: string
  /** The head as it came, without its last empty line. */
  readonly head: string
  readonly body: string
}

export interface Backend {
  readonly name: string
  readonly port: number
  readonly address: string
  /** Requests other than health checks, in order. */
  readonly requests: readonly SeenRequest[]
  /** Health checks got so far. */
  checks(): number
  /** Changes what it does with requests; waits until its listener is as the behaviour needs. */
  behave(behaviour: Behaviour): Promise<void>
  /** Answers what it holds. */
  letGo(): void
  /** What health checks meet; `null`: the same as everybody. */
  answerChecks(behaviour: Behaviour | null): void
  /** Resets every connection; it goes on listening. */
  disconnect(): void
  /** Resets every connection and stops listening. */
  stop(): Promise<void>
}

export interface BackendOptions {
  /** Also the body of its answers. */
  readonly name: string
  readonly port?: number
  readonly behaviour?: Behaviour
  /** Behaviour towards health checks. Default: always fine, i.e. it lies if the rest is not. */
  readonly checks?: Behaviour | null
  /** Requests for this path are health checks. Default `/health`. */
  readonly checkPath?: string
}

/** Starts a backend. */
export async function startBackend(options: BackendOptions): Promise<Backend> {
  const backend = new MisbehavingBackend(options, options.port ?? (await freePort()))
  await backend.behave(options.behaviour ?? { kind: 'answer' })
  return backend
}

class MisbehavingBackend implements Backend {
  readonly name: string
  readonly port: number
  readonly address: string
  readonly requests: SeenRequest[] = []
  #behaviour: Behaviour = { kind: 'refuse' }
  #checks: Behaviour | null
  #checkPath: string
  #checkCount = 0
  #server: Server | null = null
  #sockets = new Set<Socket>()
  #held: (() => void)[] = []

  constructor(options: BackendOptions, port: number) {
    this.name = options.name
    this.port = port
    this.address = `127.0.0.1:${port}`
    this.#checks = options.checks === undefined ? { kind: 'answer' } : options.checks
    this.#checkPath = options.checkPath ?? '/health'
  }

  checks(): number {
    return this.#checkCount
  }

  letGo(): void {
    for (const answer of this.#held.splice(0)) answer()
  }

  answerChecks(behaviour: Behaviour | null): void {
    this.#checks = behaviour
  }

  async behave(behaviour: Behaviour): Promise<void> {
    this.#behaviour = behaviour
    if (behaviour.kind === 'refuse') await this.#close()
    else if (this.#server === null) await this.#listen()
  }

  disconnect(): void {
    for (const socket of this.#sockets) resetSocket(socket)
  }

  async stop(): Promise<void> {
    await this.#close()
  }

  #listen(): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#serve(socket))
    this.#server = server
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.port, '127.0.0.1', 4_096, resolve)
    })
  }

  #close(): Promise<void> {
    const server = this.#server
    this.#server = null
    this.disconnect()
    if (server === null) return Promise.resolve()
    return new Promise((resolve) => {
      server.close(() => resolve())
    })
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    let pending = ''
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', (text: string) => {
      pending += text
      for (;;) {
        const request = takeRequest(pending)
        if (request === null) return
        pending = pending.slice(request.length)
        this.#act(socket, request.seen)
      }
    })
  }

  #act(socket: Socket, seen: SeenRequest): void {
    const isCheck = seen.target === this.#checkPath
    if (isCheck) this.#checkCount++
    else this.requests.push(seen)
    const behaviour = (isCheck ? this.#checks : null) ?? this.#behaviour
    const { name } = this
    switch (behaviour.kind) {
      case 'hold':
        this.#held.push(() => answer(socket, seen, name))
        return
      case 'answer': {
        const { status, delayMs } = behaviour
        if (delayMs === undefined) answer(socket, seen, name, status)
        else setTimeout(() => answer(socket, seen, name, status), delayMs)
        return
      }
      case 'cut':
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length * 2}\r\n\r\n${name}`, () =>
          socket.destroy(),
        )
        return
      case 'garbage':
        socket.end('this is no answer\r\n\r\n')
        return
      case 'close':
        socket.destroy()
        return
      case 'reset':
      case 'refuse':
        resetSocket(socket)
        return
      case 'silent':
    }
  }
}

function answer(socket: Socket, { method }: SeenRequest, name: string, status = 200): void {
  const head = `HTTP/1.1 ${status} Fine\r\nContent-Length: ${name.length}\r\n\r\n`
  if (socket.writable) socket.write(method === 'HEAD' ? head : head + name, 'latin1')
}

/** The first whole request in the text and how long it is; `null` if there is none yet. */
function takeRequest(text: string): { seen: SeenRequest; length: number } | null {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return null
  const head = text.slice(0, headEnd)
  const [method = '', target = ''] = head.split(' ', 2)
  const start = headEnd + 4
  if (/^transfer-encoding: *chunked/im.test(head))
    return takeChunked(text, start, { method, target, head })
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
  if (text.length < start + length) return null
  const body = text.slice(start, start + length)
  return { seen: { method, target, head, body }, length: start + length }
}

function takeChunked(
  text: string,
  start: number,
  line: Omit<SeenRequest, 'body'>,
): { seen: SeenRequest; length: number } | null {
  let at = start
  let body = ''
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return null
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (size === 0) {
      const end =
        text.indexOf('\r\n', lineEnd + 2) === lineEnd + 2
          ? lineEnd + 4
          : text.indexOf('\r\n\r\n', lineEnd) + 4
      return end > lineEnd && text.length >= end ? { seen: { ...line, body }, length: end } : null
    }
    if (text.length < next) return null
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = next
  }
}
