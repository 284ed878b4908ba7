// A file of members on a real file system, changed as editors, scripts and Kubernetes change files.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { readMemberList } from '../../src/config/member-list.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { SourceWord } from '../../src/core/membership-source.ts'
import { formatAddress } from '../../src/core/address-text.ts'
import { FileSource } from '../../src/discover/file.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { temporaryFolder } from '../support/processes.ts'
import { pause, waitFor } from '../support/wait.ts'

const running: FileSource[] = []

afterEach(() => {
  for (const source of running.splice(0)) source.stop()
})

/** @param slowness how many times as long as meant it waits, for writers on a busy machine */
function follow(path: string, slowness = 1): { words: SourceWord[]; last: () => string } {
  const words: SourceWord[] = []
  const source = new FileSource(
    { kind: 'file', path },
    {
      clock: systemClock(),
      random: seededRandom(1),
      timers: {
        // Looks without a watcher's hint come ten times as often as they do in earnest.
        set: (ms, fire) => setTimeout(fire, Math.min(ms, 200) * slowness),
        clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
      },
      tell: (word) => {
        words.push(word)
        return { unsure: false }
      },
    },
    readMemberList,
  )
  running.push(source)
  source.start()
  const last = (): string => {
    const word = words.at(-1)
    if (word === undefined) return ''
    if (word.kind === 'failure') return word.reason
    return word.found.map(({ address }) => formatAddress(address)).join(' ')
  }
  return { words, last }
}

async function until(last: () => string, expected: string): Promise<void> {
  await waitFor(() => last() === expected, { what: `'${expected}', there is '${last()}'` })
}

test('a file is read at the start, after it was renamed into place, and after it was written to', async () => {
  const path = join(temporaryFolder('members'), 'list.yaml')
  writeFileSync(path, '- 10.0.0.1:80\n')
  const { last, words } = follow(path)
  await until(last, '10.0.0.1:80')
  for (let i = 2; i < 6; i++) {
    writeFileSync(`${path}.new`, `- 10.0.0.${i}:80\n`)
    renameSync(`${path}.new`, path)
    await until(last, `10.0.0.${i}:80`)
  }
  writeFileSync(path, '- 10.0.0.9:80\n')
  await until(last, '10.0.0.9:80')
  assert.ok(words.length <= 6, 'each state is told of once')
})

test('a file that is written little by little is read when it is whole', async () => {
  const path = join(temporaryFolder('members'), 'list.yaml')
  writeFileSync(path, '- 10.0.0.1:80\n')
  const { last, words } = follow(path, 6)
  await until(last, '10.0.0.1:80')
  for (let i = 1; i <= 5; i++) {
    writeFileSync(path, Array.from({ length: i }, (_, j) => `- 10.0.0.${j + 1}:80\n`).join(''))
    await pause(30)
  }
  const whole = '10.0.0.1:80 10.0.0.2:80 10.0.0.3:80 10.0.0.4:80 10.0.0.5:80'
  await until(last, whole)
  assert.ok(words.length <= 3, `it was read ${words.length} times`)
})

test("Kubernetes' swap of the ..data link is seen", async () => {
  const folder = temporaryFolder('configmap')
  const put = (name: string, text: string): void => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'list.json'), text)
    symlinkSync(name, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  put('..2026_01', '["10.0.0.1:80"]')
  symlinkSync('..data/list.json', join(folder, 'list.json'))
  const { last } = follow(join(folder, 'list.json'))
  await until(last, '10.0.0.1:80')
  put('..2026_02', '["10.0.0.2:80"]')
  rmSync(join(folder, '..2026_01'), { recursive: true })
  await until(last, '10.0.0.2:80')
  put('..2026_03', '["10.0.0.3:80"]')
  await until(last, '10.0.0.3:80')
})

test('a file that breaks says where, one that is gone says so, and each is told once', async () => {
  const path = join(temporaryFolder('members'), 'list.yaml')
  const { last, words } = follow(path)
  await until(last, 'there is no such file')
  writeFileSync(path, '- 10.0.0.1:80\n')
  await until(last, '10.0.0.1:80')
  writeFileSync(path, '- 10.0.0.1:80\n- 10.0.0.2\n')
  await until(last, 'line 2, column 3: [1]: "10.0.0.2" has no port (write 10.0.0.2:8080)')
  rmSync(path)
  await until(last, 'there is no such file')
  const told = words.length
  await pause(300)
  assert.equal(words.length, told)
  writeFileSync(path, Buffer.from([0x2d, 0x20, 0xff, 0xfe]))
  await until(last, 'it is not UTF-8 text')
})

test('a directory that comes later, or is replaced, is looked into', async () => {
  const folder = join(temporaryFolder('members'), 'later')
  const path = join(folder, 'list.yaml')
  const { last } = follow(path)
  await until(last, 'there is no such file')
  mkdirSync(folder)
  writeFileSync(path, '- 10.0.0.1:80\n')
  await until(last, '10.0.0.1:80')
  mkdirSync(`${folder}.new`)
  writeFileSync(join(`${folder}.new`, 'list.yaml'), '- 10.0.0.2:80\n')
  renameSync(folder, `${folder}.old`)
  renameSync(`${folder}.new`, folder)
  await until(last, '10.0.0.2:80')
})

test('a pipe in place of the file is not waited on', async () => {
  const path = join(temporaryFolder('members'), 'list.yaml')
  execFileSync('mkfifo', [path])
  const { last } = follow(path)
  await until(last, 'it is no regular file')
  writeFileSync(`${path}.new`, '- 10.0.0.1:80\n')
  renameSync(`${path}.new`, path)
  await until(last, '10.0.0.1:80')
})
