// Alerts as time passes: for, hysteresis, dedup, the bound, and what is silent.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type {
  AlertInput,
  AlertNotification,
  AlertReading,
  AlertRulePlan,
  AlertsPlan,
  AlertState,
} from '../../../src/core/alert-contract.ts'
import { NO_ALERTS, stepAlerts } from '../../../src/core/alert-engine.ts'

const rule: AlertRulePlan = {
  forMs: 5_000,
  clearForMs: 10_000,
  severity: 'warning',
  notify: ['ops'],
  pools: null,
  above: 0,
  clear: 0,
  windowMs: 1,
  requestsMin: 1,
  quantile: 0.99,
}
const plan: AlertsPlan = {
  notify: {},
  rules: {
    poolDown: { ...rule, severity: 'critical' },
    poolBelowMin: rule,
    failover: { ...rule, forMs: 0 },
    configRejected: { ...rule, forMs: 0, clearForMs: 0 },
  },
  perMinuteMax: 20,
}

function pool(name: string, level: AlertReading['level'], silenced: string | null = null) {
  const subject = { subject: name, labels: { pool: name }, message: `${name} is down`, value: null }
  return { rule: 'poolDown', ...subject, level, silenced } as const
}

/** Steps in order; each says what was told, as `ms status subject`. */
function play(given: AlertsPlan = plan) {
  let state: AlertState = NO_ALERTS
  const told: string[] = []
  return {
    told,
    step(nowMs: number, input: AlertInput, other = given): readonly AlertNotification[] {
      const { state: next, notifications } = stepAlerts(state, input, other, nowMs)
      state = next
      for (const one of notifications) {
        const what = one.status === 'summary' ? `${one.waiting}+${one.leftOut}` : one.alert.subject
        told.push(`${nowMs} ${one.status} ${what}`)
      }
      return notifications
    },
    look(nowMs: number, ...readings: AlertReading[]) {
      return this.step(nowMs, { kind: 'look', readings })
    },
    get state() {
      return state
    },
  }
}

test('an alert fires once it has held for long enough, and once only', () => {
  const world = play()
  world.look(0, pool('web', 'on'))
  world.look(4_999, pool('web', 'on'))
  assert.deepEqual(world.told, [])
  world.look(5_000, pool('web', 'on'))
  world.look(6_000, pool('web', 'on'))
  assert.deepEqual(world.told, ['5000 firing web'])
})

test('what goes away before its time is forgotten, and begins anew', () => {
  const world = play()
  world.look(0, pool('web', 'on'))
  world.look(4_000, pool('web', 'off'))
  world.look(5_000, pool('web', 'on'))
  world.look(9_999, pool('web', 'on'))
  assert.deepEqual(world.told, [])
  world.look(10_000, pool('web', 'on'))
  assert.deepEqual(world.told, ['10000 firing web'])
})

test('it is over once it was gone for long enough; what comes back before goes on', () => {
  const world = play()
  world.look(0, pool('web', 'on'))
  world.look(5_000, pool('web', 'on'))
  world.look(6_000, pool('web', 'off'))
  world.look(15_999, pool('web', 'off'))
  world.look(16_000, pool('web', 'on'))
  world.look(17_000, pool('web', 'off'))
  world.look(27_000, pool('web', 'off'))
  assert.deepEqual(world.told, ['5000 firing web', '27000 resolved web'])
  assert.equal(world.state.alerts.size, 0)
})

test('between the two thresholds nobody begins to fire, and who fires goes on', () => {
  const world = play()
  world.look(0, pool('web', 'between'))
  world.look(10_000, pool('web', 'between'))
  assert.equal(world.state.alerts.size, 0)
  world.look(20_000, pool('web', 'on'))
  world.look(25_000, pool('web', 'on'))
  world.look(60_000, pool('web', 'between'))
  assert.deepEqual(world.told, ['25000 firing web'])
})

test('a pool that is not there any more is over', () => {
  const world = play()
  world.look(0, pool('web', 'on'))
  world.look(5_000, pool('web', 'on'))
  world.look(6_000)
  world.look(16_000)
  assert.deepEqual(world.told, ['5000 firing web', '16000 resolved web'])
})

test('maintenance keeps an alert from firing, and does not end one that fires', () => {
  const world = play()
  world.look(0, pool('web', 'on', 'planned'))
  world.look(60_000, pool('web', 'on', 'planned'))
  assert.deepEqual(world.told, [])
  world.look(61_000, pool('web', 'on'))
  world.look(65_999, pool('web', 'on'))
  assert.deepEqual(world.told, [])
  world.look(66_000, pool('web', 'on'))
  world.look(100_000, pool('web', 'on', 'planned'))
  assert.deepEqual(world.told, ['66000 firing web'])
})

test('what happens fires at once, is told once while it repeats, and ends by itself', () => {
  const world = play()
  const happens = (nowMs: number): void => {
    const about = {
      rule: 'failover',
      subject: 'db',
      labels: {},
      message: 'x',
      value: null,
    } as const
    world.step(nowMs, { kind: 'moment', about })
  }
  happens(1_000)
  world.look(2_000)
  happens(5_000)
  world.look(6_000)
  assert.equal([...world.state.alerts.values()][0]!.times, 2)
  world.look(15_999)
  assert.deepEqual(world.told, ['1000 firing db'])
  world.look(16_000)
  assert.deepEqual(world.told, ['1000 firing db', '16000 resolved db'])
})

test('a latch holds from one event to the other, whatever is looked at meanwhile', () => {
  const world = play()
  const about = {
    rule: 'configRejected',
    subject: '',
    labels: {},
    message: 'x',
    value: null,
  } as const
  world.step(0, { kind: 'latch', about, isOn: true })
  world.look(1_000)
  world.look(9_000_000)
  world.step(9_000_001, { kind: 'latch', about, isOn: false })
  assert.deepEqual(world.told, ['0 firing ', '9000001 resolved '])
})

test('a reload that switches a rule off ends its alerts', () => {
  const world = play()
  world.look(0, pool('web', 'on'))
  world.look(5_000, pool('web', 'on'))
  const none = { ...plan, rules: {} }
  world.step(6_000, { kind: 'look', readings: [pool('web', 'on')] }, none)
  assert.deepEqual(world.told, ['5000 firing web', '6000 resolved web'])
})

test('a rule for some pools says nothing of others', () => {
  const world = play({ ...plan, rules: { poolDown: { ...rule, forMs: 0, pools: ['web'] } } })
  world.look(0, pool('web', 'on'), pool('api', 'on'))
  assert.deepEqual(world.told, ['0 firing web'])
})

test('beyond the bound a summary says how many wait, and what holds is told later', () => {
  const world = play({ ...plan, rules: { poolDown: { ...rule, forMs: 0 } }, perMinuteMax: 3 })
  const all = ['a', 'b', 'c', 'd', 'e'].map((name) => pool(name, 'on'))
  world.look(0, ...all)
  assert.deepEqual(world.told, ['0 firing a', '0 firing b', '0 summary 3+0'])
  world.look(59_999, ...all)
  assert.equal(world.told.length, 3)
  world.look(60_000, ...all)
  assert.deepEqual(world.told.slice(3), ['60000 firing c', '60000 firing d', '60000 firing e'])
})

test('what came and went untold is counted in the next summary', () => {
  const world = play({
    ...plan,
    rules: { poolDown: { ...rule, forMs: 0, clearForMs: 0 } },
    perMinuteMax: 2,
  })
  world.look(0, pool('a', 'on'), pool('b', 'on'), pool('c', 'on'))
  assert.deepEqual(world.told, ['0 firing a', '0 summary 2+0'])
  world.look(1_000, pool('a', 'on'))
  world.look(60_000, pool('a', 'on'))
  assert.deepEqual(world.told.slice(2), ['60000 summary 0+2'])
})

test('the gravest are told first', () => {
  const world = play({
    ...plan,
    rules: {
      poolDown: { ...rule, forMs: 0, severity: 'critical' },
      poolBelowMin: { ...rule, forMs: 0 },
    },
    perMinuteMax: 2,
  })
  const few = { ...pool('web', 'on'), rule: 'poolBelowMin' } as const
  world.look(0, few, pool('db', 'on'), { ...few, subject: 'api' })
  assert.deepEqual(world.told, ['0 firing db', '0 summary 2+0'])
})
