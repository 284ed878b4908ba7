// What happens to data threads, as events.

import type { EventLog } from '../observe/event-log.ts'
import type { ThreadEvents } from './data-threads.ts'

/** @param lost a thread is gone and its row is cleared */
export function threadNews(
  events: EventLog,
  lost: (thread: number) => void,
): Omit<ThreadEvents, 'message'> {
  return {
    down: (thread, reason) => {
      const message = 'a data thread failed; its connections are lost'
      events.publish({ kind: 'thread', thread, state: 'failed', message, fields: { reason } })
      lost(thread)
    },
    stuck: (thread, reason) => {
      const message = 'a data thread can not be ended, nor replaced: it goes with the process only'
      events.publish({ kind: 'thread', thread, state: 'stuck', message, fields: { reason } })
    },
    replaced: (thread, ms) => {
      const fields = { tookMs: Math.round(ms) }
      const message = 'data thread replaced'
      events.publish({ kind: 'thread', thread, state: 'replaced', message, fields })
    },
    looping: (thread, deaths, delayMs) => {
      const fields = { deaths, nextStartMs: delayMs }
      const message = 'a data thread keeps failing'
      events.publish({ kind: 'thread', thread, state: 'looping', message, fields })
    },
  }
}
