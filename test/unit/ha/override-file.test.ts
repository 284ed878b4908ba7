import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Overrides } from '../../../src/core/overrides.ts'
import { changeOverride } from '../../../src/core/overrides.ts'
import type { OverrideStore } from '../../../src/ha/override-file.ts'
import { openOverrides, readOverrides, writeOverrides } from '../../../src/ha/override-file.ts'
import { StateFileError, openStateDir } from '../../../src/ha/state-dir.ts'
import { openStateIn } from '../../../src/ha/state-file.ts'
import { systemTimers } from '../../../src/runtime/clock.ts'
import { temporaryFolder } from '../../support/processes.ts'

const kim = { by: 'kim', reason: 'kernel update', at: 1_000 }
const address = { kind: 'tcp', host: '10.0.0.4', port: 80 } as const
const unix = { kind: 'unix', path: '/run/app.sock' } as const
const wish = { kind: 'added', address, weight: 2, zone: 'z', site: null } as const

function sample(): Overrides {
  let all: Overrides = []
  all = changeOverride(all, 'web', 'a', { admin: { state: 'maint', ...kim } })
  all = changeOverride(all, 'web', 'b', { weight: { wish: { kind: 'share', value: 0.5 }, ...kim } })
  all = changeOverride(all, 'web', 'c', { member: { wish: { kind: 'removed' }, ...kim } })
  all = changeOverride(all, 'web', 'd', { member: { wish, ...kim } })
  return changeOverride(all, 'web', 'e', { member: { wish: { ...wish, address: unix }, ...kim } })
}

/** Opens the directory, works with it and closes it. */
async function within<T>(dir: string, work: (store: OverrideStore) => Promise<T>): Promise<T> {
  const state = await openStateDir(dir)
  try {
    return await work(await openOverrides(state))
  } finally {
    await state.close()
  }
}

const loadedOf = (dir: string): Promise<OverrideStore['loaded']> =>
  within(dir, async ({ loaded }) => loaded)

test('what is saved is read again, and without a directory nothing is kept', async () => {
  const dir = temporaryFolder('overrides')
  assert.deepEqual(await loadedOf(dir), { overrides: [], warnings: [] })
  await within(dir, async (store) => {
    assert.ok(store.isKept)
    await store.save([])
    await store.save(sample())
  })
  assert.deepEqual(await loadedOf(dir), { overrides: sample(), warnings: [] })
  const memory = await openOverrides(null)
  assert.equal(memory.isKept, false)
  await memory.save(sample())
})

test('a damaged file gives way to the one before, with a warning, and is mended', async () => {
  const dir = temporaryFolder('overrides')
  const path = join(dir, 'overrides.json')
  await within(dir, async (store) => {
    await store.save(sample())
    await store.save([])
  })
  writeFileSync(path, writeOverrides([]).slice(0, -4))
  const { overrides, warnings } = await loadedOf(dir)
  assert.deepEqual(overrides, sample())
  assert.deepEqual(warnings, [
    `${path} is damaged; going on from ${path}.old, the state before it, so the last change of an operator may be missing: compare with evenkeel status`,
  ])
  assert.deepEqual(await loadedOf(dir), { overrides: sample(), warnings: [] })
})

test('a file that cannot be read stops the start and says what to do; nothing is overwritten', async () => {
  for (const [text, why] of [
    ['{"version": 1, "overrides": [', /is damaged, and there is no whole .*overrides\.json\.old/],
    ['{"version": 2, "overrides": []}', /its version is 2, and this Evenkeel knows 1/],
    ['[]', /is not a state of Evenkeel's/],
    ['{"version": 1, "overrides": [{"pool": "web"}]}', /overrides\.0\.backend/],
  ] as const) {
    const dir = temporaryFolder('overrides')
    const path = join(dir, 'overrides.json')
    writeFileSync(path, text)
    await assert.rejects(loadedOf(dir), (error: unknown) => {
      assert.ok(error instanceof StateFileError)
      assert.match(error.message, why)
      assert.match(error.message, /restore it, or remove it and overrides\.json\.old/)
      return true
    })
    assert.equal(readFileSync(path, 'utf8'), text)
    assert.ok(!existsSync(`${path}.new`))
  }
})

test('whatever is cut off is torn, and never read as something else', () => {
  const text = writeOverrides(sample())
  for (let end = 0; end < text.length - 1; end++) {
    assert.equal(readOverrides(text.slice(0, end)).kind, 'torn')
  }
  assert.deepEqual(readOverrides(text), { kind: 'state', value: sample() })
})

test('it shares its directory with the state of pools, and no other process gets in', async () => {
  const dir = temporaryFolder('overrides')
  const state = await openStateDir(dir)
  const [failover, overrides] = [await openStateIn(state, systemTimers), await openOverrides(state)]
  await Promise.all([
    overrides.save(sample()),
    failover.save({}),
    assert.rejects(openStateDir(dir), /is in use: the process/),
  ])
  await failover.close()
  await overrides.save([])
  await state.close()
  await assert.rejects(overrides.save(sample()), /lock of the state directory/)
})
