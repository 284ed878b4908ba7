// The two kinds of client that notice when an address moves: one that connects anew all the time,
// and ones that keep their connections.

import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { freePort } from './ports.ts'

export interface ProbeResult {
  readonly sent: number
  readonly failed: number
  /** Longest time without a success, in ms. */
  readonly gapMs: number
}

export interface Prober {
  /** Forgets what was; counts from now. */
  reset(): void
  now(): ProbeResult
  stop(): Promise<ProbeResult>
}

/** Connects anew every `everyMs` and asks for a small answer. */
export function startProber(url: string, { everyMs = 10, timeoutMs = 200 } = {}): Prober {
  let sent = 0
  let done = 0
  let failed = 0
  let lastMs = performance.now()
  let gapMs = 0
  let settle: () => void = () => {}
  const agent = new Agent({ keepAlive: false, maxSockets: Infinity })
  const timer = setInterval(() => {
    sent++
    let ended = false
    const end = (ok: boolean): void => {
      if (ended) return
      ended = true
      done++
      if (ok) {
        const nowMs = performance.now()
        gapMs = Math.max(gapMs, nowMs - lastMs)
        lastMs = nowMs
      } else failed++
      settle()
    }
    const call = request(url, { agent }, (response) => {
      response.resume()
      response.on('end', () => end(response.statusCode === 200))
      response.on('error', () => end(false))
    })
    call.setTimeout(timeoutMs, () => call.destroy(new Error('timeout')))
    call.on('error', () => end(false))
    call.end()
  }, everyMs)
  return {
    reset(): void {
      gapMs = 0
      lastMs = performance.now()
      sent -= done
      done = 0
      failed = 0
    },
    now: (): ProbeResult => ({ sent, failed, gapMs: Math.round(gapMs) }),
    async stop(): Promise<ProbeResult> {
      clearInterval(timer)
      await new Promise<void>((resolve) => {
        settle = () => {
          if (done >= sent) resolve()
        }
        settle()
      })
      agent.destroy()
      return { sent, failed, gapMs: Math.round(gapMs) }
    },
  }
}

export interface KeepAliveResult {
  readonly sent: number
  readonly ok: number
  readonly failures: readonly string[]
  /** Connections used over all. */
  readonly sockets: number
}

export interface KeepAlive {
  now(): KeepAliveResult
  /** Lets every request end. */
  stop(): Promise<KeepAliveResult>
  /** Leaves without waiting for answers. */
  abandon(): Promise<void>
}

/**
 * Clients that ask one thing after the other on connections that they keep, every other one with a
 * body as long as the answer should be.
 */
export function startKeepAlive(url: string, clients: number, body: string): KeepAlive {
  const sockets = new Set<Socket>()
  const failures: string[] = []
  let sent = 0
  let ok = 0
  const ending = new AbortController()
  const agents: Agent[] = []
  const run = async (number: number): Promise<void> => {
    const method = number % 2 === 0 ? 'GET' : 'POST'
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    agents.push(agent)
    while (!ending.signal.aborted) {
      sent++
      const failure = await ask(url, { agent, method }, body, sockets)
      if (failure === null) ok++
      else {
        failures.push(failure)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }
  const running = Array.from({ length: clients }, (_, number) => run(number))
  const result = (): KeepAliveResult => ({ sent, ok, failures, sockets: sockets.size })
  return {
    now: result,
    async stop(): Promise<KeepAliveResult> {
      ending.abort()
      await Promise.all(running)
      for (const agent of agents) agent.destroy()
      return result()
    },
    async abandon(): Promise<void> {
      ending.abort()
      for (const agent of agents) agent.destroy()
      await Promise.all(running)
    },
  }
}

/** A connection that is open and says nothing, until it is told to. */
export interface Idle {
  /** Says something, and resolves to how long it took until the answer was a reset. */
  untilReset(timeoutMs: number): Promise<number>
}

export async function openIdle(host: string, port: number): Promise<Idle> {
  // A port that no other client had: where one of the same is in TIME-WAIT, the answer is an ACK.
  const socket = connect({ port, host, localPort: await freePort() })
  const ended = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('end', () => resolve('closed'))
  })
  await once(socket, 'connect')
  return {
    async untilReset(timeoutMs) {
      const startMs = performance.now()
      const timer = setTimeout(() => socket.destroy(new Error('no reset came')), timeoutMs)
      socket.write('GET /now HTTP/1.1\r\nHost: vip\r\n\r\n')
      const end = await ended
      clearTimeout(timer)
      if (end !== 'ECONNRESET') throw new Error(`an old connection ended with: ${end}`)
      return Math.round(performance.now() - startMs)
    },
  }
}

/** `null` for a whole and right answer, else what was wrong. */
function ask(
  url: string,
  options: { agent: Agent; method: string },
  body: string,
  sockets: Set<Socket>,
): Promise<string | null> {
  return new Promise((resolve) => {
    const call = request(url, options, (response) => {
      let text = ''
      response.setEncoding('latin1')
      response.on('data', (part: string) => (text += part))
      response.on('end', () => {
        if (response.statusCode !== 200) resolve(`status ${response.statusCode}`)
        else resolve(text === body ? null : `${text.length} bytes of ${body.length}`)
      })
      response.on('error', (error: Error) => resolve(error.message))
    })
    call.on('socket', (socket: Socket) => sockets.add(socket))
    call.setTimeout(10_000, () => call.destroy(new Error('timeout')))
    call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    call.end(options.method === 'POST' ? body : undefined)
  })
}
