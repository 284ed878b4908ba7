import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  initialHealth,
  probeTimeoutMs,
  reduceHealth,
  suspicionTimeoutMs,
  type HealthEvent,
  type HealthState,
  type HealthStep,
} from '../../../src/core/health.ts'
import type { HealthCheckPlan } from '../../../src/core/check-plan.ts'
import { seededRandom } from '../../../src/core/random.ts'

const plan: HealthCheckPlan = {
  check: { kind: 'tcp', steps: [] },
  port: null,
  intervalMs: 2_000,
  timeoutMs: 1_000,
  fastIntervalMs: 500,
  jitter: 0,
  rise: 2,
  fall: 3,
}

const random = seededRandom(3)

/** A machine that is driven by words and keeps a transcript of what it did. */
class Machine {
  state: HealthState
  deadlineMs: number
  nowMs = 0
  readonly lines: string[] = []
  readonly plan: HealthCheckPlan

  constructor(changes: Partial<HealthCheckPlan> = {}) {
    this.plan = { ...plan, ...changes }
    this.state = initialHealth(0)
    this.deadlineMs = 0
  }

  send(event: HealthEvent): this {
    const step: HealthStep = reduceHealth(this.plan, this.state, event, this.nowMs, random)
    this.state = step.state
    this.deadlineMs = step.deadlineMs
    for (const effect of step.effects) {
      this.lines.push(
        effect.kind === 'probe'
          ? `${this.nowMs} ${effect.suspicion ? 'suspicion probe' : 'probe'} within ${effect.timeoutMs}`
          : `${this.nowMs} ${effect.to}: ${effect.reason}`,
      )
    }
    return this
  }

  /** Waits for the deadline and lets the probe that starts then end with this verdict. */
  probe(verdict: 'pass' | 'fail' | 'void', tookMs = 10): this {
    this.nowMs = this.deadlineMs
    this.send({ kind: 'due' })
    this.nowMs += tookMs
    return this.result(verdict, tookMs)
  }

  result(
    verdict: 'pass' | 'fail' | 'void',
    tookMs = 10,
    more: { suspicion?: boolean; trafficFails?: boolean; stalled?: boolean } = {},
  ): this {
    return this.send({
      kind: 'probed',
      verdict,
      tookMs,
      text: verdict === 'pass' ? `200 in ${tookMs} ms` : 'connection refused',
      suspicion: more.suspicion ?? false,
      trafficFails: more.trafficFails ?? false,
      ...(more.stalled === undefined ? {} : { stalled: more.stalled }),
    })
  }

  transcript(): string[] {
    return this.lines.splice(0)
  }
}

/** A machine that is up and steady. */
function up(changes: Partial<HealthCheckPlan> = {}): Machine {
  const machine = new Machine(changes).probe('pass')
  machine.transcript()
  return machine
}

function down(changes: Partial<HealthCheckPlan> = {}): Machine {
  const machine = up(changes).probe('fail').probe('fail').probe('fail')
  assert.equal(machine.state.health, 'down')
  machine.transcript()
  return machine
}

test('an unknown backend is up with its first pass and then probed at leisure', () => {
  const machine = new Machine().probe('pass').probe('pass')
  assert.deepEqual(machine.transcript(), [
    '0 probe within 1000',
    '10 up: a probe passed: 200 in 10 ms',
    '2000 probe within 1000',
  ])
  assert.equal(machine.deadlineMs, 4_000)
})

test('an unknown backend is asked again fast, and is down after `fall` failures', () => {
  const machine = new Machine().probe('fail').probe('fail').probe('fail')
  assert.deepEqual(machine.transcript(), [
    '0 probe within 1000',
    '500 probe within 1000',
    '1000 probe within 1000',
    '1010 down: 3 probes in a row failed, the last: connection refused',
  ])
})

test('up, three failures at the fast interval, down, two passes, up', () => {
  const machine = up().probe('fail').probe('fail').probe('fail').probe('pass').probe('pass')
  assert.deepEqual(machine.transcript(), [
    '2000 probe within 1000',
    '2500 probe within 500',
    '3000 probe within 500',
    '3010 down: 3 probes in a row failed, the last: connection refused',
    '5000 probe within 1000',
    '5500 probe within 500',
    '5510 up: 2 probes in a row passed, the last: 200 in 10 ms',
  ])
})

test('a single pass or failure in between starts the count anew', () => {
  const failing = up().probe('fail').probe('fail').probe('pass').probe('fail').probe('fail')
  assert.equal(failing.state.health, 'up')
  assert.equal(failing.probe('fail').state.health, 'down')
  const healing = down().probe('pass').probe('fail').probe('pass')
  assert.equal(healing.state.health, 'down')
  assert.equal(healing.probe('pass').state.health, 'up')
})

test('rise 1 and fall 1 turn at once', () => {
  const machine = up({ rise: 1, fall: 1 }).probe('fail')
  assert.equal(machine.state.health, 'down')
  assert.equal(machine.probe('pass').state.health, 'up')
})

test('a probe that takes longer than the interval is not overtaken by the next one', () => {
  const machine = up().probe('fail', 1_000).probe('fail', 500)
  assert.deepEqual(machine.transcript(), ['2000 probe within 1000', '3000 probe within 500'])
  assert.equal(machine.deadlineMs, 3_500)
  machine.nowMs = 3_500
  machine.send({ kind: 'due' })
  assert.equal(machine.deadlineMs, Infinity)
})

test('in doubt a probe gets the interval, but three times the usual time of a slow check', () => {
  const slow = new Machine().probe('pass', 700)
  slow.probe('fail', 700)
  assert.equal(probeTimeoutMs(plan, slow.state), 1_000)
  const medium = new Machine().probe('pass', 250).probe('fail', 250)
  assert.equal(probeTimeoutMs(plan, medium.state), 750)
  // As long as nothing is known, the whole timeout: else a check of 700 ms could never pass.
  assert.equal(probeTimeoutMs(plan, initialHealth(0)), 1_000)
})

test('jitter spreads each interval by its share, and no further', () => {
  const gaps = new Set<number>()
  const machine = up({ jitter: 0.1 })
  for (let i = 0; i < 200; i++) {
    const beforeMs = machine.state.startedMs
    machine.probe('pass')
    gaps.add(machine.state.startedMs - beforeMs)
  }
  assert.ok(Math.min(...gaps) >= 1_800 && Math.min(...gaps) < 1_850)
  assert.ok(Math.max(...gaps) <= 2_200 && Math.max(...gaps) > 2_150)
})

test('suspicion probes at once, within three times the usual time but at least 200 ms', () => {
  const machine = up()
  machine.nowMs = 700
  machine.send({ kind: 'suspected' })
  assert.deepEqual(machine.transcript(), ['700 suspicion probe within 200'])
  const slow = new Machine().probe('pass', 150)
  assert.equal(suspicionTimeoutMs(plan, slow.state), 450)
  const strict = { ...plan, timeoutMs: 100 }
  assert.equal(suspicionTimeoutMs(strict, slow.state), 100)
})

test('one failed suspicion probe means down while live traffic fails, and no wait for `fall`', () => {
  const machine = up()
  machine.nowMs = 700
  machine.send({ kind: 'suspected' })
  machine.nowMs = 701
  machine.result('fail', 1, { suspicion: true, trafficFails: true })
  assert.deepEqual(machine.transcript(), [
    '700 suspicion probe within 200',
    '701 down: live traffic failed and so did a probe: connection refused',
  ])
})

test('a failed suspicion probe counts like any other when traffic is fine again', () => {
  const machine = up()
  machine.nowMs = 700
  machine.send({ kind: 'suspected' }).result('fail', 1, { suspicion: true })
  assert.deepEqual([machine.state.health, machine.state.fails], ['up', 1])
  assert.equal(machine.deadlineMs, 1_200, 'and brings the fast interval')
})

test('an ordinary probe that fails while traffic fails is still one of `fall`', () => {
  const machine = up()
  machine.nowMs = machine.deadlineMs
  machine.send({ kind: 'due' }).result('fail', 1, { trafficFails: true })
  assert.equal(machine.state.health, 'up')
})

test('at most one suspicion probe per 100 ms: a further one waits its turn', () => {
  const machine = up()
  machine.nowMs = 700
  machine.send({ kind: 'suspected' }).send({ kind: 'suspected' })
  machine.nowMs = 703
  machine.result('pass', 3, { suspicion: true }).send({ kind: 'suspected' })
  assert.deepEqual(machine.transcript(), ['700 suspicion probe within 200'])
  assert.equal(machine.deadlineMs, 800)
  machine.nowMs = 800
  machine.send({ kind: 'due' })
  assert.deepEqual(machine.transcript(), ['800 suspicion probe within 200'])
})

test('a suspicion probe passes beside the schedule and does not move it', () => {
  const machine = up()
  const dueMs = machine.deadlineMs
  machine.nowMs = 700
  machine.send({ kind: 'suspected' }).result('pass', 3, { suspicion: true })
  assert.equal(machine.deadlineMs, dueMs)
})

test('a backend that is down or unknown is not suspected', () => {
  for (const machine of [down(), new Machine()]) {
    machine.send({ kind: 'suspected' })
    assert.deepEqual(machine.transcript(), [])
  }
})

test('a void verdict changes nothing, and the probe is made again soon', () => {
  const machine = up().probe('fail').probe('void')
  assert.deepEqual([machine.state.health, machine.state.fails], ['up', 1])
  assert.equal(machine.deadlineMs, machine.nowMs + 500)
  machine.nowMs = machine.deadlineMs
  machine.send({ kind: 'due' })
  machine.nowMs += 1_000
  machine.result('void', 1_000, { stalled: true })
  assert.equal(machine.deadlineMs, machine.nowMs, 'at once after a stall of our own')
})

test('a backend nobody has judged yet stays so after a void verdict', () => {
  const machine = new Machine().probe('void')
  assert.equal(machine.state.judged, false)
  assert.equal(machine.probe('fail').state.judged, true)
})

test('while the pool has nothing, a backend that is down is probed fast and confirmed faster', () => {
  const machine = down()
  machine.nowMs += 100
  machine.send({ kind: 'urgent', urgent: true })
  machine.probe('fail').probe('pass').probe('pass')
  // Down since 3010; probed each 500 ms, and 250 ms after the first pass.
  assert.deepEqual(machine.transcript(), [
    '3610 probe within 500',
    '4110 probe within 500',
    '4360 probe within 500',
    '4370 up: 2 probes in a row passed, the last: 200 in 10 ms',
  ])
})

test('when something is available again the others go back to their leisure', () => {
  const machine = down().send({ kind: 'urgent', urgent: true }).probe('fail')
  machine.send({ kind: 'urgent', urgent: false }).probe('fail')
  assert.equal(machine.deadlineMs, machine.state.startedMs + 2_000)
})

test('in any course of events: down needs `fall` failures or a suspicion, up needs `rise` passes', () => {
  const event = fc.record({
    verdict: fc.constantFrom('pass', 'fail', 'void'),
    suspicion: fc.boolean(),
    trafficFails: fc.boolean(),
  })
  const course = fc.record({
    rise: fc.integer({ min: 1, max: 4 }),
    fall: fc.integer({ min: 1, max: 4 }),
    events: fc.array(event, { maxLength: 80 }),
  })
  fc.assert(
    fc.property(course, ({ rise, fall, events }) => {
      const machine = new Machine({ rise, fall })
      let row = 0
      let last = ''
      for (const { verdict, suspicion, trafficFails } of events) {
        const before = machine.state.health
        machine.nowMs = Math.max(machine.nowMs, machine.deadlineMs)
        machine.send({ kind: 'due' })
        if (suspicion) machine.send({ kind: 'suspected' })
        const onSuspicion = machine.state.suspecting
        machine.nowMs += 5
        if (onSuspicion) machine.result(verdict, 5, { suspicion: true, trafficFails })
        // The scheduled probe ends alike, so both are of one row.
        const between = machine.state.health
        machine.result(verdict, 5)
        if (verdict !== 'void') {
          row = verdict === last ? row + 1 : 1
          if (onSuspicion) row++
          last = verdict
        }
        const after = machine.state.health
        if (after !== before && after === 'up') {
          assert.equal(last, 'pass')
          assert.ok(before === 'checking' || row >= rise)
          row = 0
        }
        if (after !== before && after === 'down') {
          assert.equal(last, 'fail')
          assert.ok(row >= fall || (between === 'down' && trafficFails && onSuspicion))
          row = 0
        }
        assert.ok(machine.deadlineMs >= machine.nowMs)
      }
    }),
  )
})
