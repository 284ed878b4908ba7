import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OperatorNews } from '../../../src/core/events.ts'
import { logEvent } from '../../../src/runtime/event-lines.ts'

function lineOf(news: Partial<OperatorNews>): string {
  const said: string[] = []
  const keep = (message: string): void => void said.push(message)
  const log = { debug: keep, info: keep, warn: keep, error: keep, close: async () => {} }
  const whole: OperatorNews = {
    verb: 'switchover',
    pool: 'db',
    backend: null,
    wishes: { to: 'b', force: false, dryRun: false },
    by: 'kim',
    from: 'unix socket',
    reason: 'kernel',
    outcome: 'done',
    message: 'moved',
    tookMs: 3,
    ...news,
  }
  logEvent(log, { kind: 'operator', id: 1, at: 0, atMs: 0, news: whole })
  return said.join('\n')
}

test('a dry run does not read as if it had been done', () => {
  assert.equal(lineOf({}), 'switchover of pool db asked for by kim: done')
  assert.equal(
    lineOf({ wishes: { to: 'b', force: false, dryRun: true } }),
    'switchover of pool db (dry run) asked for by kim: done',
  )
})

test('what is about a backend, or about the process, says so', () => {
  assert.equal(
    lineOf({ verb: 'drain', backend: 'a', wishes: {} }),
    'drain of db/a asked for by kim: done',
  )
  assert.equal(
    lineOf({ verb: 'reload', pool: null, wishes: {}, outcome: 'busy' }),
    'reload asked for by kim: busy',
  )
})
