import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProbeResult, Prober } from '../../../src/probe/contract.ts'
import { ControlProbes, PROBES_MAX } from '../../../src/runtime/control-probes.ts'

const pass: ProbeResult = { verdict: 'pass', text: '200 in 1 ms', tookMs: 1 }

function setUp() {
  const running: ((result: ProbeResult) => void)[] = []
  let cancelled = 0
  let nowMs = 0
  const prober: Prober = {
    probe: (_, done) => {
      running.push(done)
      return () => cancelled++
    },
  }
  const probes = new ControlProbes(prober, () => nowMs)
  const started: number[] = []
  const request = {
    address: { kind: 'tcp', host: '10.0.0.1', port: 1 },
    check: { kind: 'tcp', steps: [] },
    port: null,
    timeoutMs: 100,
  } as const
  const ask = (suspicion = false, slot = 0) =>
    probes.run({ slot, request, suspicion, done: (_, startedMs) => started.push(startedMs) })
  const world = { running, started, probes, ask, cancelled: () => cancelled }
  return { ...world, setNow: (ms: number) => (nowMs = ms) }
}

test('so many scheduled probes run at a time; the rest wait their turn', () => {
  const { running, started, ask, setNow } = setUp()
  for (let i = 0; i < PROBES_MAX + 3; i++) ask()
  assert.equal(running.length, PROBES_MAX)
  setNow(50)
  running[0]!(pass)
  running[1]!(pass)
  assert.equal(running.length, PROBES_MAX + 2)
  running[PROBES_MAX]!(pass)
  assert.deepEqual(started, [0, 0, 50], 'the time that counts is when it really started')
  for (const done of running.slice(2, PROBES_MAX)) done(pass)
  assert.equal(running.length, PROBES_MAX + 3)
})

test('suspicion does not wait', () => {
  const { running, ask } = setUp()
  for (let i = 0; i < PROBES_MAX; i++) ask()
  ask(true)
  assert.equal(running.length, PROBES_MAX + 1)
  running[PROBES_MAX]!(pass)
  ask()
  assert.equal(running.length, PROBES_MAX + 1, 'and takes no place of a scheduled one')
})

test('stop ends what runs and forgets what waits', () => {
  const { running, started, probes, ask, cancelled } = setUp()
  for (let i = 0; i < PROBES_MAX + 5; i++) ask()
  running[0]!(pass)
  probes.stop()
  assert.equal(cancelled(), PROBES_MAX)
  assert.equal(started.length, 1)
  ask()
  assert.equal(running.length, PROBES_MAX + 2, 'it can be used again')
})
