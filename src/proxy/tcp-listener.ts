// What the connections of one TCP listener share on one thread.

import type { Fault } from '../core/fault.ts'
import type { AccessOutbox } from '../observe/access-outbox.ts'
import type { ListenerState, PositionMoves, ThreadContext } from './context.ts'
import type { Channel } from './channel.ts'
import { Recorder } from './recorder.ts'
import { TcpConnection } from './tcp.ts'

export class TcpListener {
  readonly context: ThreadContext
  readonly state: ListenerState
  readonly connections = new Set<TcpConnection>()
  closing = false
  readonly recorder: Recorder

  constructor(context: ThreadContext, state: ListenerState, outbox: AccessOutbox) {
    this.context = context
    this.state = state
    this.recorder = new Recorder(context, state, outbox)
  }

  /** The plan has changed. */
  adopt(): void {
    this.recorder.adopt()
  }

  /** See `PlacedAttempt.movePositions`. */
  movePositions(moves: PositionMoves): void {
    for (const one of this.connections) one.movePositions(moves)
  }

  /** No connection is ever idle: each is a tunnel, or about to be one. */
  closeIdle(): void {}

  cutTunnels(cause: Fault): void {
    for (const one of this.connections) one.cutTunnel(cause)
  }

  accept(channel: Channel): void {
    new TcpConnection(this, channel).open()
  }
}
