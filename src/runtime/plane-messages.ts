// What the data planes say, and whom it is for.

import type { DataMessage } from '../core/snapshot.ts'
import type { Log } from '../observe/log.ts'
import type { AccessSink } from './access-sink.ts'
import type { ControlPlane } from './control-plane.ts'
import type { Traces } from './traces.ts'

export interface Hearers {
  readonly control: ControlPlane
  readonly access: AccessSink
  readonly traces: Traces
  readonly log: Log
}

/** Hands a message of a data plane on. */
export function hearPlane(
  { control, access, traces, log }: Hearers,
  thread: number,
  message: DataMessage,
): void {
  switch (message.kind) {
    case 'suspect':
      control.suspect(message.slots, message.causes)
      break
    case 'access':
      access.write(thread, message.lines)
      break
    case 'traces':
      traces.take(thread, message.traces)
      break
    case 'log':
      log[message.level](message.message, { ...message.fields, thread })
      break
    case 'listen-failed':
      log.error('a listener failed', { listener: message.listener, cause: message.message })
      break
    case 'ready':
    case 'adopted':
    case 'sockets':
    case 'drained':
      break
  }
}
