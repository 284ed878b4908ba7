import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '../../../src/observe/log.ts'
import { AccessSink } from '../../../src/runtime/access-sink.ts'
import { temporaryFolder } from '../../support/processes.ts'
import { waitFor } from '../../support/wait.ts'

function open(path: string) {
  const taken: number[] = [0, 0]
  const sink = new AccessSink({ format: 'json', path }, silentLog, (thread, characters) => {
    taken[thread]! += characters
  })
  return { sink, taken }
}

const text = (path: string): string => readFileSync(path, 'utf8')

test('lines go on in another file, and each is credited once', async () => {
  const folder = temporaryFolder('access')
  const [one, two] = [join(folder, 'one'), join(folder, 'two')]
  const { sink, taken } = open(one)
  sink.write(0, 'a\n')
  sink.follow({ format: 'combined', path: two })
  sink.write(1, 'bc\n')
  await waitFor(() => taken[0] === 2 && taken[1] === 3)
  assert.deepEqual([text(one), text(two)], ['a\n', 'bc\n'])
  await sink.close()
  assert.deepEqual(taken, [2, 3])
})

test('the same file under another format stays open', async () => {
  const path = join(temporaryFolder('access'), 'log')
  const { sink, taken } = open(path)
  sink.write(0, 'a\n')
  sink.follow({ format: 'haproxy', path })
  sink.write(0, 'b\n')
  await waitFor(() => taken[0] === 4)
  assert.equal(text(path), 'a\nb\n')
  await sink.close()
})

test('switched off, what was under way is credited and written nowhere', async () => {
  const path = join(temporaryFolder('access'), 'log')
  const { sink, taken } = open(path)
  sink.follow({ format: 'off', path: null })
  sink.write(0, 'late\n')
  assert.equal(taken[0], 5)
  sink.follow({ format: 'json', path })
  sink.write(0, 'again\n')
  await waitFor(() => taken[0] === 11)
  assert.equal(text(path), 'again\n')
  await sink.close()
})

test('a file that cannot be opened leaves everything as it was', async () => {
  const path = join(temporaryFolder('access'), 'log')
  const { sink, taken } = open(path)
  assert.throws(() => sink.follow({ format: 'json', path: '/nowhere/log' }), {
    message:
      "the access log /nowhere/log can't be opened: its folder is not there (log.access.path)",
  })
  sink.write(0, 'a\n')
  await waitFor(() => taken[0] === 2)
  assert.equal(text(path), 'a\n')
  await sink.close()
})
