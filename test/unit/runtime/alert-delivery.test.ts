// Notifications on their way to a target that fails, is slow, or does not want to hear of ends.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AlertTargetPlan } from '../../../src/core/alert-contract.ts'
import type { AlertJson } from '../../../src/observe/alert-message.ts'
import { bodyOf } from '../../../src/observe/alert-message.ts'
import { silentLog } from '../../../src/observe/log.ts'
import { AlertDelivery } from '../../../src/runtime/alert-delivery.ts'
import { waitFor } from '../../support/wait.ts'

const json: AlertJson = {
  version: 1,
  id: 'run-1',
  status: 'firing',
  rule: 'poolDown',
  severity: 'critical',
  subject: 'web',
  labels: { pool: 'web' },
  message: '<!channel> a & b',
  value: null,
  times: 1,
  startsAt: '2026-11-21T10:00:00.000Z',
  endsAt: null,
  waiting: 0,
  leftOut: 0,
  source: { host: 'lb1', version: '0.1.0' },
}

/** A delivery by a shell; waits between tries are noted, and over at once. */
function make(script: string, more: Partial<AlertTargetPlan> = {}) {
  const hook = { kind: 'exec', command: ['/bin/sh', '-c', script], timeoutMs: 5_000 } as const
  const waits: number[] = []
  const timers = {
    set: (ms: number, fire: () => void) => {
      waits.push(ms)
      return setImmediate(fire)
    },
    clear: (handle: unknown) => clearImmediate(handle as NodeJS.Immediate),
  }
  const plan: AlertTargetPlan = { hook, format: 'evenkeel', resolved: true, ...more }
  const delivery = new AlertDelivery('ops', plan, { log: silentLog, timers, wallMs: () => 0 })
  return { delivery, waits }
}

test('a target that fails is tried six times, ever later, and then given up', async () => {
  const { delivery, waits } = make('exit 3')
  delivery.send(json)
  assert.equal(delivery.waiting, 1)
  await waitFor(() => delivery.waiting === 0, { what: 'the end' })
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000])
  assert.deepEqual([delivery.delivered, delivery.failed, delivery.dropped], [0, 1, 0])
  assert.match(delivery.trouble!, /^alert to ops by \/bin\/sh ended with code 3/)
})

test('what waits is bounded; the oldest goes', async () => {
  const { delivery } = make('cat > /dev/null')
  for (let i = 0; i < 110; i++) delivery.send({ ...json, id: `run-${i}` })
  assert.equal(delivery.dropped, 9)
  assert.equal(delivery.waiting, 101)
  delivery.stop()
  assert.equal(delivery.waiting, 0)
})

test('whoever does not want to hear of ends does not', () => {
  const { delivery } = make('true', { resolved: false })
  delivery.send({ ...json, status: 'resolved' })
  assert.equal(delivery.waiting, 0)
})

test('nothing in a message can call everybody on Slack', () => {
  assert.deepEqual(JSON.parse(bodyOf('slack', json, 0)), {
    text: '*FIRING* poolDown (critical): &lt;!channel&gt; a &amp; b [lb1]',
  })
})

test('Alertmanager gets labels, and an end that is near enough to forget by', () => {
  assert.deepEqual(JSON.parse(bodyOf('alertmanager', json, Date.UTC(2026, 10, 21, 10, 1))), [
    {
      labels: {
        alertname: 'EvenkeelPoolDown',
        severity: 'critical',
        instance: 'lb1',
        pool: 'web',
      },
      annotations: { summary: '<!channel> a & b' },
      startsAt: '2026-11-21T10:00:00.000Z',
      endsAt: '2026-11-21T10:06:00.000Z',
    },
  ])
})

test('an alert is the same one for Alertmanager when it happens again with another outcome', () => {
  const moved = { ...json, rule: 'failover', subject: 'db' } as const
  const [first, second] = ['b', 'a'].map((to) => {
    const [alert] = JSON.parse(
      bodyOf('alertmanager', { ...moved, labels: { pool: 'db', to }, message: `to ${to}` }, 0),
    ) as { labels: object; annotations: object }[]
    return alert!
  })
  assert.deepEqual(first!.labels, second!.labels)
  assert.deepEqual(second!.annotations, { summary: 'to a', to: 'a' })
})
