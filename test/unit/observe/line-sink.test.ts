import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, openSync, closeSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { LineSink } from '../../../src/observe/line-sink.ts'
import { waitFor } from '../../support/wait.ts'

const folder = await mkdtemp(join(tmpdir(), 'evenkeel-access-'))
after(() => rm(folder, { recursive: true }))

function open(path: string): { sink: LineSink; taken: [number, number][]; failures: string[] } {
  const taken: [number, number][] = []
  const failures: string[] = []
  const sink = new LineSink({
    to: path,
    taken: (source, characters) => taken.push([source, characters]),
    failed: (message) => failures.push(message),
  })
  return { sink, taken, failures }
}

test('lines reach the file in order, and each source hears what was taken', async () => {
  const path = join(folder, 'access.log')
  const { sink, taken } = open(path)
  sink.write(0, 'a\n')
  sink.write(1, 'bcé\n')
  sink.write(0, 'd\n')
  await sink.close(1_000)
  assert.equal(await readFile(path, 'utf8'), 'a\nbcé\nd\n')
  assert.deepEqual(taken, [
    [0, 2],
    [1, 4],
    [0, 2],
  ])
})

test('lines of every length arrive whole, whatever their characters take', async () => {
  const path = join(folder, 'lengths.log')
  const { sink, failures } = open(path)
  const lengths = [1, 16_383, 16_384, 250_000, 349_525, 349_526, 600_000, 5, 20_000]
  const lines = [...lengths, ...lengths].map((length, i) => `${'aé€'[i % 3]!.repeat(length)}\n`)
  for (const line of lines) sink.write(0, line)
  await sink.close(10_000)
  assert.ok((await readFile(path, 'utf8')) === lines.join(''), 'the file is not what was written')
  assert.deepEqual(failures, [])
})

test('after a rotation lines go to a new file and none is lost', async () => {
  const path = join(folder, 'rotated.log')
  const { sink } = open(path)
  sink.write(0, 'old\n')
  await waitFor(async () => (await readFile(path, 'utf8')) === 'old\n')
  await rename(path, `${path}.1`)
  sink.reopen()
  sink.write(0, 'new\n')
  await sink.close(1_000)
  assert.equal(await readFile(`${path}.1`, 'utf8'), 'old\n')
  assert.equal(await readFile(path, 'utf8'), 'new\n')
})

test('reopening waits for the write that is under way', async () => {
  const path = join(folder, 'busy.log')
  const { sink } = open(path)
  const line = `${'x'.repeat(65_535)}\n`
  for (let i = 0; i < 100; i++) {
    sink.write(0, line)
    sink.reopen()
  }
  await sink.close(5_000)
  assert.equal((await readFile(path)).length, 100 * line.length)
  assert.equal(sink.lostLines, 0)
})

test('a full disk costs lines, is said once, and everything is taken all the same', async () => {
  const { sink, taken, failures } = open('/dev/full')
  sink.write(0, 'a\nb\n')
  await waitFor(() => taken.length === 1)
  sink.write(0, 'c\n')
  await waitFor(() => taken.length === 2)
  assert.equal(failures.length, 1)
  assert.match(failures[0]!, /ENOSPC/)
  assert.equal(sink.lostLines, 3)
  await sink.close(100)
})

const script = `
  import { LineSink } from ${JSON.stringify(new URL('../../../src/observe/line-sink.js', import.meta.url).href)}
  let taken = 0
  const sink = new LineSink({ to: 1, taken: (_, n) => { taken += n }, failed: () => {} })
  for (let i = 0; i < 2000; i++) sink.write(0, 'x'.repeat(1023) + '\\n')
  await sink.close(100)
  console.error(taken)
  process.exit(0)`

async function runWithOutput(output: 'pipe' | number): Promise<{ code: unknown; said: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', output, 'pipe'],
  })
  let said = ''
  child.stderr!.on('data', (data) => (said += String(data)))
  const [code] = await once(child, 'exit')
  child.stdout?.destroy()
  return { code, said }
}

for (const kind of ['pipe', 'socket'] as const) {
  test(`a ${kind} that nobody reads takes what it has room for and holds up nothing`, async () => {
    const path = join(folder, 'pipe')
    if (kind === 'pipe') execFileSync('mkfifo', [path])
    const output = kind === 'pipe' ? openSync(path, constants.O_RDWR | constants.O_NONBLOCK) : kind
    const { code, said } = await runWithOutput(typeof output === 'number' ? output : 'pipe')
    assert.equal(code, 0)
    assert.ok(Number(said) > 0 && Number(said) < 2_000 * 1_024, said)
    if (typeof output === 'number') closeSync(output)
  })
}
