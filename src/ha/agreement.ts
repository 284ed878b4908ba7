// The shell of the agreement between replicas: real time, etcd and the peer port around
// core/agreement.ts. It executes what the machine asks for, answers with its events, and hands on what
// the machine has to say: to the failover machines, and about the right to send.
// Decides nothing.

import { randomBytes } from 'node:crypto'
import type {
  AgreedPool,
  AgreementEffect,
  AgreementEvent,
  AgreementSetup,
  AgreementState,
  KeyChange,
  Reign,
} from '../core/agreement-contract.ts'
import { initialAgreement, reduceAgreement } from '../core/agreement.ts'
import { refuseRecovery } from '../core/agreement-moves.ts'
import { quorumSees } from '../core/agreement-votes.ts'
import type { Clock } from '../core/clock.ts'
import type { FailoverEvent, Frozen } from '../core/failover-contract.ts'
import type { FailoverRecord } from '../core/failover-record.ts'
import type { ClusterPlan } from '../core/plan.ts'
import type { Random } from '../core/random.ts'
import type { AgreementVoice } from './agreed-store.ts'
import { EtcdClient } from './etcd.ts'
import { isNotFound } from './etcd-error.ts'
import { EtcdMirror } from './etcd-mirror.ts'
import type { Change, Operation } from './etcd-wire.ts'
import { askPeer, PeerServer, type Confirmations } from './peer.ts'

export interface AgreementOptions {
  readonly cluster: ClusterPlan
  readonly pools: readonly AgreedPool[]
  /** The highest epoch of each pool that outlived a restart. */
  readonly seen: readonly number[]
  readonly clock: Clock
  readonly random: Random
  /** For the failover machine of a pool; never called within a call of ours. */
  onEvent(pool: string, event: FailoverEvent): void
  /** Data threads may send in this pool until then (monotonic ms). */
  onRight(pool: string, untilMs: number): void
  onWarning(message: string, fields: Readonly<Record<string, unknown>>): void
}

/** How long the end may wait for etcd to take the lease back. */
const LEAVE_MS = 1_000

export class Agreement implements AgreementVoice {
  readonly #options: AgreementOptions
  readonly #setup: AgreementSetup
  readonly #client: EtcdClient
  readonly #mirror: EtcdMirror
  readonly #peers: PeerServer
  readonly #prefix: string
  readonly #questions = new Map<number, (pools: Confirmations) => void>()
  #state: AgreementState
  #timer: NodeJS.Timeout | null = null
  #asked = 0
  /** The watch on etcd is up, as far as is known. */
  #watches = true
  #revoked: Promise<void> | null = null
  #running = false

  constructor(options: AgreementOptions) {
    const { cluster, pools, seen, clock, random } = options
    const { name, replica, replicas, etcd, ttlMs } = cluster
    this.#options = options
    this.#prefix = `/evenkeel/${name}/`
    this.#setup = {
      replica,
      replicas: replicas.map((one) => one.name),
      ttlMs,
      incarnation: randomBytes(12).toString('hex'),
      pools,
    }
    this.#state = initialAgreement(this.#setup, seen, clock.nowMs())
    this.#client = new EtcdClient({ plan: etcd, timeoutMs: ttlMs / 4, clock })
    const listener = {
      changed: (changes: readonly Change[], isAnew: boolean) => {
        this.#hear({ kind: 'changed', changes: changes.map((one) => this.#keyOf(one)), isAnew })
      },
      watching: (trouble: string | null) => {
        // Once per outage: what it means for the pools is told by their machines.
        if (trouble !== null && this.#watches) {
          options.onWarning('the watch on etcd ended; trying again', { cause: trouble })
        }
        this.#watches = trouble === null
      },
    }
    this.#mirror = new EtcdMirror(this.#client, this.#prefix, listener, random)
    this.#peers = new PeerServer({
      cluster: name,
      replica,
      replicas,
      onQuestion: ({ from, incarnation, pools: asked }, answer) => {
        const id = ++this.#asked
        this.#questions.set(id, answer)
        this.#hear({ kind: 'asked', id, from, incarnation, pools: asked })
      },
    })
  }

  /** Opens the peer port and begins. @throws Error when the port can't be had */
  async start(): Promise<void> {
    const { replica, replicas } = this.#options.cluster
    await this.#peers.listen(replicas.find(({ name }) => name === replica)!.peer)
    this.#running = true
    this.#hear({ kind: 'due' })
  }

  /** Gives the lease back. Only when no data thread can send any more. */
  async stop(): Promise<void> {
    if (!this.#running) return
    this.#hear({ kind: 'leave' })
    this.#running = false
    if (this.#timer !== null) clearTimeout(this.#timer)
    await Promise.race([
      this.#revoked,
      new Promise<void>((resolve) => {
        setTimeout(resolve, LEAVE_MS).unref()
      }),
    ])
    this.#mirror.close()
    await Promise.all([this.#client.close(), this.#peers.close()])
  }

  // --- what the failover machines say, and ask -------------------------------------------------

  has(pool: string): boolean {
    return this.#poolOf(pool) >= 0
  }

  claim(pool: string, { epoch, active, movingTo: to, pinned }: FailoverRecord): void {
    this.#hear({ kind: 'claim', pool: this.#poolOf(pool), epoch, active, to, pinned })
  }

  commit(pool: string, { epoch, active, pinned }: FailoverRecord): void {
    this.#hear({ kind: 'commit', pool: this.#poolOf(pool), epoch, active, pinned })
  }

  acknowledge(pool: string, epoch: number): void {
    this.#hear({ kind: 'acknowledge', pool: this.#poolOf(pool), epoch })
  }

  freeze(pool: string, frozen: Frozen | null): void {
    this.#hear({ kind: 'freeze', pool: this.#poolOf(pool), frozen })
  }

  recover(pool: string): string | null {
    const index = this.#poolOf(pool)
    const nowMs = this.#options.clock.nowMs()
    const refusal = refuseRecovery(this.#setup, this.#state, index, nowMs)
    if (refusal === null) this.#hear({ kind: 'recover', pool: index })
    return refusal
  }

  views(pool: string, members: readonly (boolean | null)[]): void {
    this.#hear({ kind: 'views', pool: this.#poolOf(pool), members })
  }

  sees(pool: string, member: number): 'fit' | 'unfit' | 'unknown' {
    return quorumSees(this.#setup, this.#state, this.#poolOf(pool), member)
  }

  #poolOf(name: string): number {
    return this.#setup.pools.findIndex((pool) => pool.name === name)
  }

  // --- the machine -----------------------------------------------------------------------------

  #hear(event: AgreementEvent): void {
    if (!this.#running) return
    const nowMs = this.#options.clock.nowMs()
    const { state, effects, deadlineMs } = reduceAgreement(this.#setup, this.#state, event, nowMs)
    this.#state = state
    for (const effect of effects) this.#execute(effect)
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (deadlineMs === Infinity) return
    this.#timer = setTimeout(() => this.#hear({ kind: 'due' }), Math.max(1, deadlineMs - nowMs))
  }

  #execute(effect: AgreementEffect): void {
    switch (effect.kind) {
      case 'grant':
        void this.#grant()
        break
      case 'cycle':
        void this.#cycle(effect.lease)
        break
      case 'put-member':
        void this.#putMember(effect)
        break
      case 'campaign':
        void this.#campaign(effect)
        break
      case 'write':
        void this.#write(effect)
        break
      case 'revoke':
        this.#revoked = this.#client.revoke(effect.lease).catch(() => {})
        break
      case 'ask':
        void this.#ask(effect.round, effect.replica, effect.pools)
        break
      case 'answer':
        this.#questions.get(effect.id)?.(effect.pools)
        this.#questions.delete(effect.id)
        break
      case 'right':
        this.#options.onRight(this.#setup.pools[effect.pool]!.name, effect.untilMs)
        break
      case 'tell': {
        const { name } = this.#setup.pools[effect.pool]!
        queueMicrotask(() => this.#options.onEvent(name, effect.event))
        break
      }
      default:
        this.#options.onWarning(effect.reason, {})
    }
  }

  async #grant(): Promise<void> {
    try {
      const { value } = await this.#client.grant(this.#setup.ttlMs)
      this.#hear({ kind: 'granted', lease: value.lease })
    } catch (error) {
      this.#hear({ kind: 'grant-failed', reason: messageOf(error) })
    }
  }

  /** The renewal and the range go side by side; what counts is when the first of them was sent. */
  async #cycle(lease: string | null): Promise<void> {
    const sentMs = this.#options.clock.nowMs()
    const renewal = lease === null ? null : this.#client.keepAlive(lease)
    const [renewed, read] = await Promise.allSettled([renewal, this.#mirror.refresh()])
    if (renewed.status === 'rejected') {
      this.#hear({ kind: 'cycle-failed', reason: messageOf(renewed.reason) })
    } else if (read.status === 'rejected') {
      this.#hear({ kind: 'cycle-failed', reason: messageOf(read.reason) })
    } else this.#hear({ kind: 'cycled', sentMs, ttlMs: renewed.value?.value ?? null })
  }

  async #putMember(effect: Extract<AgreementEffect, { kind: 'put-member' }>): Promise<void> {
    const { era, lease, member, ifRevision } = effect
    const key = `${this.#prefix}members/${this.#setup.replica}`
    const put: Operation = { kind: 'put', key, value: JSON.stringify(member), lease }
    try {
      const compare = { key, target: 'mod' as const, equals: ifRevision }
      const { succeeded, revision } = await this.#client.txn([compare], [put])
      this.#hear({ kind: 'member-put', era, lease, member, revision: succeeded ? revision : 0 })
    } catch (error) {
      const reason = messageOf(error)
      this.#hear({ kind: 'member-failed', lease, isLeaseGone: isNotFound(error), reason })
    }
  }

  async #campaign(effect: Extract<AgreementEffect, { kind: 'campaign' }>): Promise<void> {
    const { lease, holder } = effect
    const key = `${this.#prefix}holder`
    const put: Operation = { kind: 'put', key, value: JSON.stringify(holder), lease }
    try {
      await this.#client.txn([{ key, target: 'create', equals: 0 }], [put])
    } catch {
      // Who won shows in the mirror, and so does that nobody did.
    }
    this.#hear({ kind: 'campaigned' })
  }

  async #write(effect: Extract<AgreementEffect, { kind: 'write' }>): Promise<void> {
    const { era, pool, value, ifRevision, ifHolder } = effect
    const key = `${this.#prefix}pools/${this.#setup.pools[pool]!.name}`
    const put: Operation = { kind: 'put', key, value: JSON.stringify(value), lease: null }
    const compares = [
      { key, target: 'mod' as const, equals: ifRevision },
      { key: `${this.#prefix}holder`, target: 'create' as const, equals: ifHolder },
    ]
    try {
      const { succeeded, revision } = await this.#client.txn(compares, [put])
      this.#hear({ kind: 'wrote', era, pool, value, revision: succeeded ? revision : 0 })
    } catch (error) {
      this.#hear({ kind: 'write-failed', pool, reason: messageOf(error) })
    }
  }

  async #ask(
    round: number,
    replica: string,
    pools: Readonly<Record<string, Reign>>,
  ): Promise<void> {
    const { cluster } = this.#options
    const addressOf = (wanted: string) => cluster.replicas.find(({ name }) => name === wanted)!.peer
    const { replica: from, incarnation, ttlMs } = this.#setup
    const question = { cluster: cluster.name, from, incarnation, pools }
    try {
      const answer = await askPeer(addressOf(replica), addressOf(from), question, ttlMs / 4)
      this.#hear({ kind: 'answered', round, replica, pools: answer })
    } catch (error) {
      this.#hear({ kind: 'unanswered', round, replica, reason: messageOf(error) })
    }
  }

  #keyOf({ key, entry, modRevision }: Change): KeyChange {
    return {
      key: key.slice(this.#prefix.length),
      value: entry?.value ?? null,
      createRevision: entry?.createRevision ?? 0,
      modRevision,
      lease: entry?.lease ?? null,
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
