import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TrackFile } from '../../../src/ha/track-file.ts'
import { temporaryFolder } from '../../support/processes.ts'
import { waitFor } from '../../support/wait.ts'

const folder = temporaryFolder('track')

test('the file holds the last number and a newline, and nothing else is left in its folder', () => {
  const file = new TrackFile(join(folder, 'track'))
  for (const value of [-254, 0, -50, 0]) {
    file.write(value)
    assert.equal(readFileSync(file.path, 'utf8'), `${value}\n`)
  }
  assert.deepEqual(readdirSync(folder), ['track'])
})

test('a number is moved into place, so that nobody reads half of one', async () => {
  const file = new TrackFile(join(folder, 'track'))
  file.write(1)
  const { ino } = statSync(file.path)
  const events: string[] = []
  const watcher = watch(folder, (event, name) => events.push(`${event} ${name}`))
  file.write(-254)
  assert.notEqual(statSync(file.path).ino, ino)
  await waitFor(() => events.includes('rename track'))
  watcher.close()
})

test('the same number is not written twice', () => {
  const file = new TrackFile(join(folder, 'track'))
  file.write(0)
  const { ino } = statSync(file.path)
  file.write(0)
  assert.equal(statSync(file.path).ino, ino)
})

test('a number that could not be written is written as soon as it can', () => {
  const place = join(folder, 'gone')
  const file = new TrackFile(join(place, 'track'))
  assert.throws(() => file.write(0), { code: 'ENOENT' })
  mkdirSync(place)
  file.write(0)
  assert.equal(readFileSync(file.path, 'utf8'), '0\n')
  rmSync(place, { recursive: true })
  assert.throws(() => file.write(-50), { code: 'ENOENT' })
  mkdirSync(place)
  file.write(-50)
  assert.equal(readFileSync(file.path, 'utf8'), '-50\n')
})
