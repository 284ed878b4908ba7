import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ConfigWatch } from '../../../src/runtime/config-watch.ts'
import { temporaryFolder } from '../../support/processes.ts'
import { pause, waitFor } from '../../support/wait.ts'

interface Watched {
  /** How often a change was told. */
  told: number
  /** What the next one is answered. */
  taken: boolean
  readonly failures: string[]
}

function watch(t: TestContext, file: string, pollMs = 60_000): Watched {
  const watched: Watched = { told: 0, taken: true, failures: [] }
  const watching = new ConfigWatch({
    file,
    changed: async () => {
      watched.told++
      return watched.taken
    },
    failed: (message) => watched.failures.push(message),
    quietMs: 10,
    pollMs,
  })
  t.after(() => watching.stop())
  return watched
}

/** Longer than it takes to notice something. */
const SOON_MS = 60

test('the first look tells of what is there, and a new text is told once', async (t) => {
  const file = join(temporaryFolder('watch'), 'evenkeel.yaml')
  writeFileSync(file, 'one')
  const watched = watch(t, file)
  await waitFor(() => watched.told === 1)
  writeFileSync(file, 'two')
  await waitFor(() => watched.told === 2)
  await pause(SOON_MS)
  assert.equal(watched.told, 2)
})

test('a file that is touched, or replaced by the same text, is no news', async (t) => {
  const file = join(temporaryFolder('watch'), 'evenkeel.yaml')
  writeFileSync(file, 'one')
  const watched = watch(t, file)
  await waitFor(() => watched.told === 1)
  utimesSync(file, 1, 1)
  writeFileSync(`${file}.new`, 'one')
  renameSync(`${file}.new`, file)
  await pause(SOON_MS)
  assert.equal(watched.told, 1)
})

test('another file in its place is seen, also after it was gone for a while', async (t) => {
  const file = join(temporaryFolder('watch'), 'evenkeel.yaml')
  writeFileSync(file, 'one')
  const watched = watch(t, file)
  await waitFor(() => watched.told === 1)
  writeFileSync(`${file}.new`, 'two')
  renameSync(`${file}.new`, file)
  await waitFor(() => watched.told === 2)
  rmSync(file)
  await pause(SOON_MS)
  assert.equal(watched.told, 2)
  writeFileSync(file, 'three')
  await waitFor(() => watched.told === 3)
})

test("the swap of Kubernetes' ..data is seen, again and again", async (t) => {
  const folder = temporaryFolder('watch')
  const swap = (version: string): void => {
    mkdirSync(join(folder, `..${version}`))
    writeFileSync(join(folder, `..${version}`, 'evenkeel.yaml'), version)
    symlinkSync(`..${version}`, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  swap('one')
  symlinkSync(join('..data', 'evenkeel.yaml'), join(folder, 'evenkeel.yaml'))
  const watched = watch(t, join(folder, 'evenkeel.yaml'))
  await waitFor(() => watched.told === 1)
  for (const [i, version] of ['two', 'three', 'four'].entries()) {
    swap(version)
    await waitFor(() => watched.told === i + 2)
    rmSync(join(folder, `..${['one', 'two', 'three'][i]}`), { recursive: true })
  }
})

test('a change of the file that the watched one links to is seen', async (t) => {
  const folder = temporaryFolder('watch')
  const target = join(temporaryFolder('watch'), 'real.yaml')
  writeFileSync(target, 'one')
  symlinkSync(target, join(folder, 'evenkeel.yaml'))
  const watched = watch(t, join(folder, 'evenkeel.yaml'))
  await waitFor(() => watched.told === 1)
  writeFileSync(target, 'two')
  await waitFor(() => watched.told === 2)
})

test('what was not taken note of is told again', async (t) => {
  const file = join(temporaryFolder('watch'), 'evenkeel.yaml')
  writeFileSync(file, 'one')
  const watched = watch(t, file, 20)
  await waitFor(() => watched.told === 1)
  watched.taken = false
  writeFileSync(file, 'two')
  await waitFor(() => watched.told >= 3)
  watched.taken = true
  const { told } = watched
  await waitFor(() => watched.told > told)
  const last = watched.told
  await pause(SOON_MS)
  assert.equal(watched.told, last)
})

test('without a folder to watch it looks now and then', async (t) => {
  const file = join(temporaryFolder('watch'), 'later', 'evenkeel.yaml')
  const watched = watch(t, file, 20)
  assert.equal(watched.failures.length, 1)
  mkdirSync(join(file, '..'))
  writeFileSync(file, 'one')
  await waitFor(() => watched.told === 1)
})

test('a pipe in the place of the file is never read', async (t) => {
  const file = join(temporaryFolder('watch'), 'evenkeel.yaml')
  execFileSync('mkfifo', [file])
  const watched = watch(t, file, 20)
  await pause(SOON_MS)
  assert.equal(watched.told, 0)
})
