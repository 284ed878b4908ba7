// A server whose health checks pass while its traffic suffers, at 400 GET/s over three servers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { startBackend } from '../../support/backend.ts'
import type { Behaviour } from '../../support/backend.ts'
import type { LoadResult } from '../../support/load.ts'
import { pause } from '../../support/wait.ts'
import { loadBoth, startPair } from './pairs.ts'

/** Six seconds of load with the fault, after one without it. */
async function suffer(
  context: TestContext,
  behaviour: Behaviour,
  slowMs: number,
): Promise<LoadResult> {
  const three = await Promise.all(['a', 'b', 'c'].map((name) => startBackend({ name })))
  for (const backend of three) context.after(() => backend.stop())
  const pair = await startPair(context, three)
  const load = { ratePerSecond: 400, seconds: 7, slowMs, timeoutMs: 4_000 }
  return loadBoth(context, pair, load, async () => {
    await pause(1_000)
    await three[1]!.behave(behaviour)
  })
}

test('a server that never answers fails no GET and slows none beyond 1.5 s', async (context) => {
  const result = await suffer(context, { kind: 'silent' }, 1_500)
  assert.equal(result.failed, 0)
  assert.equal(result.slow, 0)
})

test('a server that cuts every response costs at most 10 of them in 6 s', async (context) => {
  const result = await suffer(context, { kind: 'cut' }, 1_500)
  assert.deepEqual(Object.keys(result.errors), ['cut'])
  assert.ok(result.failed <= 10, `${result.failed} cut`)
  assert.equal(result.slow, 0)
})

test('a server that answers after 1 s slows at most 60 GETs in 6 s', async (context) => {
  const result = await suffer(context, { kind: 'answer', delayMs: 1_000 }, 900)
  assert.equal(result.failed, 0)
  assert.ok(result.slow <= 60, `${result.slow} slow`)
})
