// The two kinds of client that notice when an address moves: one that connects anew all the time,
// and ones that keep their connections.

import { Agent, request } from 'node:http'
import type { Socket } from 'node:net'

export interface ProbeResult {
  readonly sent: number
  readonly failed: number
  /** Longest time without a success, in ms. */
  readonly gapMs: number
}

/** Connects anew every `everyMs` and asks for a small answer. */
export function startProber(url: string, { everyMs = 10, timeoutMs = 200 } = {}) {
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
    /** Forgets what was; counts from now. */
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

/** Clients that ask one thing after the other on connections that they keep. */
export function startKeepAlive(url: string, clients: number, body: string) {
  const sockets = new Set<Socket>()
  const failures: string[] = []
  let sent = 0
  let ok = 0
  const ending = new AbortController()
  const agents: Agent[] = []
  const run = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    agents.push(agent)
    while (!ending.signal.aborted) {
      sent++
      const failure = await ask(url, agent, body, sockets)
      if (failure === null) ok++
      else {
        failures.push(failure)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }
  const running = Array.from({ length: clients }, run)
  const result = (): KeepAliveResult => ({ sent, ok, failures, sockets: sockets.size })
  return {
    now: result,
    async stop(): Promise<KeepAliveResult> {
      ending.abort()
      await Promise.all(running)
      for (const agent of agents) agent.destroy()
      return result()
    },
  }
}

function ask(url: string, agent: Agent, body: string, sockets: Set<Socket>) {
  return new Promise<string | null>((resolve) => {
    const call = request(url, { agent }, (response) => {
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
    call.end()
  })
}
