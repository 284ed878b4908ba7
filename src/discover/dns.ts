// Members from DNS: A and AAAA records of a name with one port, or the SRV records of a service.
// Asks again when the records' time is over, within the bounds of the plan; after a failure, when
// the pause between tries is. At most one round of questions runs at a time, and none for long.

import type { Found } from '../core/membership.ts'
import type { SourceWord } from '../core/membership-source.ts'
import type { DnsSourcePlan } from '../core/source-plan.ts'
import type { Source, SourceHost } from './contract.ts'
import { retryMs } from './contract.ts'
import { candidates, type SearchRules } from './dns-names.ts'
import type { AddressRecord, DnsAnswer, DnsQuestions, ServiceRecord } from './resolver.ts'

export interface DnsNeeds {
  /** Opens one round of questions. */
  ask(servers: readonly string[]): DnsQuestions
  /** The system's search list; asked for in each round in which it bears on the name. */
  search(): Promise<SearchRules>
}

/** What a round has found, and for how long that may be kept. */
interface Round {
  readonly word: SourceWord
  readonly ttlMs: number
  /** There is no such name, or nothing of the kind under it. */
  readonly none: boolean
}

/** All questions of a round together. */
const ROUND_MS = 6_000
/** The TTL of SRV records isn't known, so they are not kept for longer than this. */
const SERVICE_TTL_MS = 10_000
/** How soon a name that does not exist is asked for again, at the latest: it may begin to. */
const NOTHING_MS = 5_000
/** Different servers that one answer may name; a service is no census. */
const TARGETS_MAX = 256
const AT_ONCE = 8

export class DnsSource implements Source {
  readonly #plan: DnsSourcePlan
  readonly #host: SourceHost
  readonly #needs: DnsNeeds
  #timer: unknown = null
  #failures = 0
  #questions: DnsQuestions | null = null
  #isStopped = false

  constructor(plan: DnsSourcePlan, host: SourceHost, needs: DnsNeeds) {
    this.#plan = plan
    this.#host = host
    this.#needs = needs
  }

  start(): void {
    void this.#round()
  }

  stop(): void {
    this.#isStopped = true
    this.#host.timers.clear(this.#timer)
    this.#questions?.cancel()
  }

  async #round(): Promise<void> {
    const questions = untilCancelled(this.#needs.ask(this.#plan.servers))
    this.#questions = questions
    this.#timer = this.#host.timers.set(ROUND_MS, () => questions.cancel())
    let round: Round
    try {
      round = await this.#look(questions)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      round = nothing({ kind: 'failed', reason })
    }
    this.#host.timers.clear(this.#timer)
    if (this.#isStopped) return
    const { unsure } = this.#host.tell(round.word)
    this.#timer = this.#host.timers.set(this.#pauseMs(round, unsure), () => void this.#round())
  }

  #pauseMs({ word, ttlMs, none }: Round, unsure: boolean): number {
    const { ttlMinMs, ttlMaxMs } = this.#plan
    const isFailure = word.kind === 'failure'
    this.#failures = isFailure || none ? this.#failures + 1 : 0
    if (this.#failures > 0) {
      const mostMs = Math.min(ttlMaxMs, isFailure ? Infinity : NOTHING_MS)
      return Math.min(mostMs, retryMs(this.#failures, this.#host.random))
    }
    if (unsure) return ttlMinMs
    return Math.min(ttlMaxMs, Math.max(ttlMinMs, ttlMs))
  }

  async #look(questions: DnsQuestions): Promise<Round> {
    const { name, servers } = this.#plan
    // Somebody's own servers know nothing of this machine's search list.
    const isWhole = servers.length > 0 || name.endsWith('.')
    const rules = isWhole ? { domains: [], dots: 0 } : await this.#needs.search()
    let round: Round | null = null
    for (const candidate of candidates(name, rules)) {
      const found = await this.#lookFor(candidate, questions)
      // A name that doesn't exist leads on to the next; one that can't be asked for must not, or a
      // server's failure would turn another name's servers into ours.
      if (!found.none) return found
      round ??= found
    }
    return round!
  }

  #lookFor(name: string, questions: DnsQuestions): Promise<Round> {
    return this.#plan.type === 'SRV'
      ? this.#lookForService(name, questions)
      : this.#lookForAddresses(name, questions)
  }

  async #lookForAddresses(name: string, questions: DnsQuestions): Promise<Round> {
    const { port } = this.#plan
    const { answer, incomplete } = await this.#addressesOf(name, questions)
    if (answer.kind !== 'records') return nothing(answer)
    const found = answer.records.map(({ address }): Found => {
      return { name: null, address: { kind: 'tcp', host: address, port }, weight: 1, zone: null }
    })
    const word = { kind: 'answer', found, incomplete, refused: [] } as const
    return { word, ttlMs: shortest(answer.records), none: false }
  }

  async #addressesOf(
    name: string,
    questions: DnsQuestions,
  ): Promise<{ answer: DnsAnswer<AddressRecord>; incomplete: string | null }> {
    const { type } = this.#plan
    if (type === 'A') return { answer: await questions.addresses(name, 4), incomplete: null }
    if (type === 'AAAA') return { answer: await questions.addresses(name, 6), incomplete: null }
    const [four, six] = await Promise.all([
      questions.addresses(name, 4),
      questions.addresses(name, 6),
    ])
    return bothOf(four, six)
  }

  async #lookForService(name: string, questions: DnsQuestions): Promise<Round> {
    const answer = await questions.services(name)
    if (answer.kind !== 'records') return nothing(answer)
    // RFC 2782: "." says that the service is decidedly not available here.
    const usable = answer.records.filter(({ name }) => name !== '' && name !== '.')
    if (usable.length === 0) return nothing({ kind: 'none', reason: 'the service is not offered' })
    const first = Math.min(...usable.map(({ priority }) => priority))
    const services = usable.filter(({ priority }) => priority === first)
    const targets = [...new Set(services.map(({ name }) => name.toLowerCase()))].sort()
    const asked = targets.slice(0, TARGETS_MAX)
    const addresses = await this.#resolveAll(asked, questions)
    const { found, failures, refused, ttlMs } = joinServices(services, addresses)
    if (found.length === 0) {
      const reason = failures[0] ?? refused[0] ?? 'it names nobody'
      return nothing({ kind: failures.length > 0 ? 'failed' : 'none', reason })
    }
    const left = targets.length - asked.length
    if (left > 0) failures.push(`${left} of its ${targets.length} servers were not looked up`)
    const word = { kind: 'answer', found, incomplete: failures[0] ?? null, refused } as const
    return { word, ttlMs: Math.min(SERVICE_TTL_MS, ttlMs), none: false }
  }

  async #resolveAll(names: readonly string[], questions: DnsQuestions): Promise<Addresses> {
    const addresses: Addresses = new Map()
    const rest = [...names]
    const work = async (): Promise<void> => {
      for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
        if (!TARGET.test(name)) {
          const reason = 'this is no name of a server'
          addresses.set(name, { answer: { kind: 'none', reason }, incomplete: null })
        } else addresses.set(name, await this.#addressesOfBoth(name, questions))
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    return addresses
  }

  async #addressesOfBoth(name: string, questions: DnsQuestions): Promise<Resolved> {
    return bothOf(
      ...(await Promise.all([questions.addresses(name, 4), questions.addresses(name, 6)])),
    )
  }
}

/** The same questions; those that are asked after the end of the round fail at once. */
function untilCancelled(questions: DnsQuestions): DnsQuestions {
  let isOver = false
  const unlessOver = <T>(ask: () => Promise<DnsAnswer<T>>): Promise<DnsAnswer<T>> =>
    isOver ? Promise.resolve({ kind: 'failed', reason: 'no answer in time' }) : ask()
  return {
    addresses: (name, family) => unlessOver(() => questions.addresses(name, family)),
    services: (name) => unlessOver(() => questions.services(name)),
    cancel: () => {
      isOver = true
      questions.cancel()
    },
  }
}

interface Resolved {
  readonly answer: DnsAnswer<AddressRecord>
  readonly incomplete: string | null
}
type Addresses = Map<string, Resolved>

/** What an SRV record may name: it goes back into a question. */
const TARGET = /^(?=.{1,253}$)[a-z0-9_-]+(\.[a-z0-9_-]+)*$/

function bothOf(four: DnsAnswer<AddressRecord>, six: DnsAnswer<AddressRecord>): Resolved {
  if (four.kind === 'records' && six.kind === 'records') {
    const records = [...four.records, ...six.records]
    return { answer: { kind: 'records', records }, incomplete: null }
  }
  if (four.kind === 'records') return { answer: four, incomplete: troubleOf('AAAA', six) }
  if (six.kind === 'records') return { answer: six, incomplete: troubleOf('A', four) }
  return { answer: four.kind === 'failed' ? four : six, incomplete: null }
}

function troubleOf(type: string, answer: DnsAnswer<AddressRecord>): string | null {
  return answer.kind === 'failed' ? `no answer for ${type} records: ${answer.reason}` : null
}

function joinServices(
  services: readonly ServiceRecord[],
  addresses: Addresses,
): { found: Found[]; failures: string[]; refused: string[]; ttlMs: number } {
  const found: Found[] = []
  const failures: string[] = []
  const refused: string[] = []
  let ttlMs = Infinity
  for (const { name: target, port, weight } of services) {
    const name = target.toLowerCase()
    const resolved = addresses.get(name)
    if (resolved === undefined) continue
    const { answer, incomplete } = resolved
    if (incomplete !== null) failures.push(`${name}: ${incomplete}`)
    if (answer.kind !== 'records') {
      const list = answer.kind === 'failed' ? failures : refused
      list.push(`${name}: ${answer.reason}`)
      continue
    }
    ttlMs = Math.min(ttlMs, shortest(answer.records))
    for (const { address } of answer.records) {
      found.push({
        // One of several addresses under one name could not be told from the others.
        name: answer.records.length === 1 ? `${name}:${port}` : null,
        address: { kind: 'tcp', host: address, port },
        // RFC 2782: weight 0 is a small chance, not none.
        weight: Math.max(1, weight),
        zone: null,
      })
    }
  }
  return { found, failures, refused, ttlMs }
}

function shortest(records: readonly AddressRecord[]): number {
  return Math.min(...records.map(({ ttl }) => ttl)) * 1_000
}

function nothing({ kind, reason }: { readonly kind: 'none' | 'failed'; reason: string }): Round {
  if (kind === 'failed') return { word: { kind: 'failure', reason }, ttlMs: 0, none: false }
  const word = { kind: 'answer', found: [], incomplete: null, refused: [], empty: reason } as const
  return { word, ttlMs: 0, none: true }
}
