// A data plane between real sockets whose backends act only when told to, so that requests, moves of
// the active and answers can be interleaved at random. It notes each arrival and checks at once what
// must hold at every moment; `settle` checks what must hold in the end.

import assert from 'node:assert/strict'
import { CLUSTER, STANDBY, publishActive } from '../support/standby.ts'
import { TestPlane } from '../support/plane.ts'
import { connectTo, field, ok, response } from '../support/raw.ts'
import type { Peer, Script } from '../support/raw.ts'
import type { ReadInto } from '../../src/proxy/socket.ts'

export type Step =
  /** A request; `late` of its body bytes come with a later `rest`. */
  | { kind: 'request'; method: 'GET' | 'PUT' | 'POST'; body: number; late: number }
  | { kind: 'tunnel' }
  | { kind: 'rest'; which: number }
  | { kind: 'leave'; which: number }
  /** What a backend does about a request it has: `part` begins an answer. */
  | { kind: 'answer'; which: number; how: 'whole' | 'part' | 'reset' }
  | { kind: 'stop'; holdMs: number }
  | { kind: 'start'; backend: number }
  | { kind: 'turns'; count: number }
  | { kind: 'skip'; ms: number }

interface Client {
  readonly id: number
  readonly peer: Peer
  readonly method: string
  rest: string
  left: boolean
  outcome: Promise<string>
}

interface Asked {
  readonly peer: Peer
  readonly id: string
  answered: boolean
  /** Its answer was begun and is never completed. */
  begun: boolean
}

/** Turns of the event loop after which a server has read what its accepted connections brought. */
const READ_TURNS = 6
const NAMES = ['a', 'b', 'c']

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate)
}

export class StandbyWorld {
  readonly clients: Client[] = []
  readonly tally = { answered: 0, refused: 0, cut: 0, tunnels: 0, moved: 0 }
  plane!: TestPlane
  readonly #asked: Asked[] = []
  /** Backends that each id of a request has reached. */
  readonly #arrivals = new Map<string, string[]>()
  /** Who reigned in each epoch. */
  readonly #reigns = new Map<number, string>()
  /** Backends that were cut long enough ago to have read what was sent before. */
  readonly #silenced = new Set<string>()
  readonly #silences: Promise<void>[] = []
  #active: number | null = 0
  #epoch = 1
  /** Epoch in which each backend was last started. */
  readonly #started = new Map<string, number>([['a', 1]])
  #automatic = false
  /** The first broken promise; thrown by `settle`, for a server's script would swallow it. */
  #broken: Error | null = null

  static async start(readInto: ReadInto): Promise<StandbyWorld> {
    const world = new StandbyWorld()
    const bind = '127.0.0.1:0'
    world.plane = await TestPlane.start({
      readInto,
      backends: NAMES.map((name) => world.#script(name)),
      pool: { ...STANDBY, retry: { backoff: { min: '0ms', max: '5ms' } } },
      config: {
        ...CLUSTER,
        listeners: { web: { bind, pool: 'main' }, raw: { bind, pool: 'main', protocol: 'tcp' } },
      },
    })
    world.#reigns.set(1, 'a')
    publishActive(world.plane, 'a', { epoch: 1 })
    for (const name of ['b', 'c']) world.#silenced.add(name)
    return world
  }

  async take(step: Step): Promise<void> {
    const { clients } = this
    switch (step.kind) {
      case 'request':
        await this.#request(step.method, step.body, step.late)
        break
      case 'tunnel':
        await this.#tunnel()
        break
      case 'rest': {
        const client = clients[step.which % clients.length]
        if (client !== undefined) this.#sendRest(client)
        break
      }
      case 'leave': {
        const client = clients[step.which % clients.length]
        if (client === undefined) break
        client.left = true
        client.peer.reset()
        break
      }
      case 'answer': {
        const open = this.#asked.filter((one) => !one.answered)
        const asked = open[step.which % open.length]
        if (asked !== undefined) this.#answer(asked, step.how)
        break
      }
      case 'stop':
        this.#publish(null, step.holdMs)
        break
      case 'start':
        this.#publish(step.backend, 0)
        break
      case 'turns':
        await turns(step.count)
        break
      case 'skip':
        this.plane.skip(step.ms)
    }
  }

  /** Lets everything come to its end and checks what became of each client. */
  async settle(): Promise<void> {
    this.#automatic = true
    this.#publish(0, 0)
    for (const client of this.clients) this.#sendRest(client)
    for (const asked of this.#asked) {
      if (!asked.answered) this.#answer(asked, 'whole')
      else if (asked.begun && !asked.peer.closed) asked.peer.reset()
    }
    for (const client of this.clients) {
      const outcome = await client.outcome
      if (!client.left) assert.match(outcome, /^(200|50[234]|cut|echo|reset)/, `#${client.id}`)
      if (outcome.startsWith('200')) this.tally.answered++
      else if (outcome.startsWith('50')) this.tally.refused++
      else if (outcome === 'cut' || outcome === 'reset') this.tally.cut++
      else if (outcome === 'echo') this.tally.tunnels++
    }
    await Promise.all(this.#silences)
    this.tally.moved = this.plane.pool('moved')
    if (this.#broken !== null) throw this.#broken
  }

  #publish(active: number | null, holdMs: number): void {
    const before = this.#active
    if (active !== null && active !== before) {
      this.#epoch++
      this.#reigns.set(this.#epoch, NAMES[active]!)
      this.#started.set(NAMES[active]!, this.#epoch)
    }
    this.#active = active
    if (active !== null) this.#silenced.delete(NAMES[active]!)
    publishActive(this.plane, active === null ? null : NAMES[active]!, {
      epoch: this.#epoch,
      holdMs,
    })
    if (before === null || before === active) return
    this.#silences.push(this.#silence(before, this.plane.backend(before, 'connects')))
  }

  /** From the time on when it has read what was sent to it before, a cut backend must be alone. */
  async #silence(backend: number, connects: number): Promise<void> {
    const name = NAMES[backend]!
    const started = this.#started.get(name)
    const { peers } = this.plane.servers[backend]!
    // A server takes one connection in each turn.
    for (let turn = 0; turn < 1_000 && peers.length < connects; turn++) await turns(1)
    await turns(READ_TURNS)
    if (this.#started.get(name) !== started) return
    this.#silenced.add(name)
    const kept = peers.filter((peer) => !peer.closed && !peer.ended).length
    this.#check(kept === 0, `${name} was cut and has still ${kept} connections`)
  }

  // --- clients -------------------------------------------------------------------------------

  async #request(method: string, size: number, late: number): Promise<void> {
    const id = this.clients.length
    const peer = await connectTo(this.plane.port(0))
    this.plane.peers.push(peer)
    const body = method === 'GET' ? '' : 'x'.repeat(size)
    const head = `${method} / HTTP/1.1\r\nHost: a.example\r\nX-Id: ${id}\r\n`
    const length = method === 'GET' ? '' : `Content-Length: ${body.length}\r\n`
    const kept = Math.min(late, body.length)
    peer.write(`${head}${length}\r\n${body.slice(0, body.length - kept)}`)
    const outcome = response(peer).then(
      (answer) => `${answer.start.slice(9, 12)} ${answer.field('evenkeel-fault') ?? ''}`,
      () => (peer.received > 0 ? 'cut' : 'lost'),
    )
    const rest = body.slice(body.length - kept)
    this.clients.push({ id, peer, method, rest, left: false, outcome })
  }

  async #tunnel(): Promise<void> {
    const id = this.clients.length
    // A reset may come before Node has told the client that it is connected.
    const peer = await connectTo(this.plane.port(1)).catch(() => null)
    if (peer === null) {
      this.tally.cut++
      return
    }
    this.plane.peers.push(peer)
    peer.write(`T${id}\n`)
    const outcome = peer.until(`echo T${id}\n`).then(
      () => 'echo',
      () => (peer.code === 'ECONNRESET' ? 'reset' : 'lost'),
    )
    this.clients.push({ id, peer, method: 'tunnel', rest: '', left: false, outcome })
  }

  #sendRest(client: Client): void {
    const { rest, peer } = client
    client.rest = ''
    if (rest !== '' && !client.left && !peer.closed && !peer.ended) peer.write(rest)
  }

  // --- backends ------------------------------------------------------------------------------

  #script(name: string): Script {
    return async (peer) => {
      for (;;) {
        const first = await peer.until('\n')
        if (first.startsWith('T')) {
          this.#note(name, first.trim(), 'tunnel', '')
          peer.write(`echo ${first}`)
          continue
        }
        const head = `${first}${await peer.until('\r\n\r\n')}`
        const id = field(head, 'x-id')!
        this.#note(name, id, head.split(' ')[0]!, field(head, 'evenkeel-epoch') ?? '')
        await peer.bytes(Number(field(head, 'content-length') ?? 0))
        const asked = { peer, id, answered: false, begun: false }
        this.#asked.push(asked)
        if (this.#automatic) this.#answer(asked, 'whole')
      }
    }
  }

  #note(name: string, id: string, method: string, epoch: string): void {
    const before = this.#arrivals.get(id) ?? []
    this.#arrivals.set(id, [...before, name])
    const about = `${method} #${id} at ${name} in epoch ${epoch}, now ${this.#epoch}`
    this.#check(!this.#silenced.has(name), `${about}: it was cut before`)
    if (method === 'tunnel') return
    this.#check(this.#reigns.get(Number(epoch)) === name, `${about}: it did not reign then`)
    this.#check(
      method !== 'POST' || before.length === 0,
      `${about}: sent before to ${before.join()}`,
    )
  }

  #check(holds: boolean, what: string): void {
    if (!holds) this.#broken ??= new Error(what)
  }

  #answer(asked: Asked, how: 'whole' | 'part' | 'reset'): void {
    asked.answered = true
    const { peer, id } = asked
    if (peer.closed || peer.ended) return
    asked.begun = how === 'part'
    if (how === 'whole') peer.write(ok(`done ${id}`))
    else if (how === 'part') peer.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc')
    else peer.reset()
  }
}
