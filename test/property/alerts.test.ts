// Whatever happens: nobody hears twice of the same without its end in between, nothing fires before
// its time, and the bound holds.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type {
  AlertInput,
  AlertReading,
  AlertRulePlan,
  AlertsPlan,
  AlertState,
} from '../../src/core/alert-contract.ts'
import { alertKey, NO_ALERTS, stepAlerts } from '../../src/core/alert-engine.ts'

const base: AlertRulePlan = {
  forMs: 3_000,
  clearForMs: 4_000,
  severity: 'warning',
  notify: ['ops'],
  pools: null,
  above: 0,
  clear: 0,
  windowMs: 1,
  requestsMin: 1,
  quantile: 0.99,
}

const names = ['a', 'b', 'c', 'd', 'e', 'f']
const level = fc.constantFrom<AlertReading['level']>('on', 'on', 'between', 'off')
const readings = fc.array(
  fc.record({ at: fc.nat(names.length - 1), level, silent: fc.boolean() }),
  { maxLength: 8 },
)
const input: fc.Arbitrary<AlertInput> = fc.oneof(
  { weight: 4, arbitrary: readings.map(lookOf) },
  fc.nat(2).map((at): AlertInput => ({ kind: 'moment', about: aboutOf('failover', names[at]!) })),
  fc.boolean().map((isOn): AlertInput => {
    return { kind: 'latch', about: aboutOf('configRejected', ''), isOn }
  }),
)

function aboutOf<R extends string>(rule: R, subject: string) {
  return { rule, subject, labels: {}, message: subject, value: null }
}

function lookOf(given: readonly { at: number; level: AlertReading['level']; silent: boolean }[]) {
  const byName = new Map(given.map((one) => [names[one.at]!, one]))
  const list = [...byName].map(([name, one]): AlertReading => {
    const silenced = one.silent ? 'planned' : null
    return Object.assign(aboutOf('poolDown', name), { level: one.level, silenced })
  })
  return { kind: 'look', readings: list } as const
}

test('alerts alternate, wait for their time and keep to the bound', () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), input), { maxLength: 60 })
  const planOf = (forMs: number, clearForMs: number, perMinuteMax: number): AlertsPlan => ({
    notify: {},
    rules: {
      poolDown: { ...base, forMs, clearForMs },
      failover: { ...base, forMs: 0, clearForMs },
      configRejected: { ...base, forMs: 0, clearForMs: 0 },
    },
    perMinuteMax,
  })
  fc.assert(
    fc.property(
      steps,
      fc.constantFrom(0, 1_000, 5_000),
      fc.constantFrom(0, 4_000),
      fc.integer({ min: 2, max: 5 }),
      (list, forMs, clearForMs, perMinuteMax) => {
        const plan = planOf(forMs, clearForMs, perMinuteMax)
        let state: AlertState = NO_ALERTS
        let nowMs = 0
        const firing = new Set<string>()
        const sentMs: number[] = []
        /** Pools with the times at which they were on. */
        const wasOn = new Set<string>()
        for (const [afterMs, one] of list) {
          nowMs += afterMs
          if (one.kind === 'look') {
            for (const reading of one.readings) {
              const isOn = reading.level === 'on' && reading.silenced === null
              if (isOn) wasOn.add(`${alertKey(reading)} ${nowMs}`)
            }
          }
          const { state: next, notifications } = stepAlerts(state, one, plan, nowMs)
          state = next
          for (const told of notifications) {
            sentMs.push(nowMs)
            if (told.status === 'summary') {
              assert.ok(told.waiting + told.leftOut > 0)
              continue
            }
            const key = alertKey(told.alert)
            if (told.status === 'firing') {
              assert.ok(!firing.has(key), 'fires twice')
              firing.add(key)
              const { firedMs, sinceMs, rule } = told.alert
              assert.ok(firedMs! - sinceMs >= plan.rules[rule]!.forMs, 'fires too early')
              if (rule === 'poolDown') assert.ok(wasOn.has(`${key} ${sinceMs}`), 'it was not on')
            } else {
              assert.ok(firing.delete(key), 'ends what nobody heard of')
            }
          }
          const lately = sentMs.filter((ms) => ms > nowMs - 60_000).length
          assert.ok(lately <= perMinuteMax, `${lately} notifications in a minute`)
        }
        // With nothing wrong any more everything that was told is taken back, sooner or later.
        for (let i = 0; i < 40 && firing.size > 0; i++) {
          nowMs += 30_000
          const off = { kind: 'latch', about: aboutOf('configRejected', ''), isOn: false } as const
          for (const one of [{ kind: 'look', readings: [] } as const, off]) {
            const { state: next, notifications } = stepAlerts(state, one, plan, nowMs)
            state = next
            for (const told of notifications) {
              if (told.status === 'firing') firing.add(alertKey(told.alert))
              else if (told.status === 'resolved') assert.ok(firing.delete(alertKey(told.alert)))
            }
          }
        }
        assert.deepEqual([...firing], [])
      },
    ),
    { numRuns: 300 },
  )
})
