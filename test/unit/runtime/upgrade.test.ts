import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { Upgrader, type UpgradeHost } from '../../../src/runtime/upgrade.ts'
import type { PredecessorMessage } from '../../../src/runtime/upgrade-protocol.ts'

/** A new process that does all it should; `before` is called when it gets the state. */
function successor(before: () => void): ChildProcess {
  const child = new EventEmitter()
  const send = ({ kind }: PredecessorMessage): void => {
    if (kind === 'estate') child.emit('message', { kind: 'loaded', version: '2' })
    if (kind === 'state-free') {
      before()
      child.emit('message', { kind: 'ready', isServing: true })
    }
  }
  const kill = (): void => void child.emit('exit', null, 'SIGKILL')
  const parts = { pid: 7, connected: true, exitCode: null, signalCode: null, send, kill }
  return Object.assign(child, parts) as unknown as ChildProcess
}

test('a configuration on trial while the new process begins leaves everything as it was', async () => {
  const heard: string[] = []
  let refusal: string | null = null
  const host: UpgradeHost = {
    version: '1',
    nowMs: () => 0,
    info: () => {},
    audit: () => {},
    refusal: () => refusal,
    moving: () => [],
    estate: async () => ({ pid: 1, version: '1', sockets: [], available: [], isAway: false }),
    lend: async () => null,
    takeBack: async () => void heard.push('taken back'),
    giveWay: async () => void heard.push('gave way'),
    fence: async () => {},
    running: () => 0,
    end: () => heard.push('ended'),
    start: () => successor(() => (refusal = 'A configuration waits for: evenkeel confirm.')),
  }
  const answer = await new Upgrader(host).run({ timeoutMs: 5_000 })
  assert.deepEqual(answer, {
    ok: false,
    code: 'failed',
    message: 'A configuration waits for: evenkeel confirm. This process goes on as before.',
  })
  assert.deepEqual(heard, ['taken back'])
})
