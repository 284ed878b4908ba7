// Three real nginx servers under a steady load, and one of them is killed or stopped.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { sumUp } from '../../support/load.ts'
import { startNginx } from '../../support/nginx.ts'
import type { Nginx } from '../../support/nginx.ts'
import { pause } from '../../support/wait.ts'
import { loadBoth, startPair } from './pairs.ts'

async function startThree(context: TestContext): Promise<readonly [Nginx, Nginx, Nginx]> {
  const three = await Promise.all([
    startNginx({ name: 'a' }),
    startNginx({ name: 'b' }),
    startNginx({ name: 'c' }),
  ])
  for (const nginx of three) context.after(() => nginx.stop())
  return three
}

test('kill -9 of a server loses no GET, and back again it takes its share', async (context) => {
  const three = await startThree(context)
  const pair = await startPair(context, three, { slowStart: { duration: '1s' } })
  const load = { ratePerSecond: 400, seconds: 9, timeoutMs: 5_000 }
  const fromMs = performance.now()
  let killedMs = 0
  let restartedMs = 0
  const result = await loadBoth(context, pair, load, async () => {
    await pause(1_500)
    await three[1].kill('SIGKILL')
    killedMs = performance.now() - fromMs
    await pause(1_500)
    restartedMs = performance.now() - fromMs
    await three[1].restart()
  })
  assert.equal(result.failed, 0)
  assert.equal(result.slow, 0)
  // Shares of what was sent, not counts: a busy machine sends less.
  const shares = (fromMs: number, toMs: number): readonly number[] => {
    const stretch = sumUp(result.records.filter(({ atMs }) => atMs >= fromMs && atMs < toMs))
    return ['a', 'b', 'c'].map((name) => (stretch.bodies[name] ?? 0) / stretch.sent)
  }
  const before = shares(0, 1_400)
  for (const share of before) assert.ok(share > 0.3, `shares before: ${before.join(' ')}`)
  assert.equal(shares(killedMs + 200, restartedMs - 100)[1], 0)
  // Two checks 500 ms apart bring it up, then slow start; the last two seconds are full share.
  const back = shares(7_000, 9_000)
  for (const share of back) assert.ok(share > 0.27, `shares after its return: ${back.join(' ')}`)
})

test('kill -STOP of a server fails no GET and slows none beyond 1.5 s', async (context) => {
  const three = await startThree(context)
  const pair = await startPair(context, three)
  const load = { ratePerSecond: 400, seconds: 7, timeoutMs: 8_000 }
  const result = await loadBoth(context, pair, load, async () => {
    await pause(2_000)
    await three[1].kill('SIGSTOP')
    await pause(4_000)
    await three[1].kill('SIGCONT')
  })
  assert.equal(result.failed, 0)
  assert.equal(result.slow, 0)
})
