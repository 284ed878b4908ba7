import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LoadResult } from '../../../src/config/evaluate.ts'
import { environmentOrigin, fileOrigin } from '../../../src/config/origin.ts'
import { temporaryFolder } from '../../support/processes.ts'

const text = `listeners: { web: { bind: ":8080", pool: web } }
pools: { web: { backends: ["\${SERVER}"] } }
`
const env = { SERVER: '10.0.0.1:80' }

function messages(result: LoadResult): string[] {
  return result.ok ? [] : result.diagnostics.map(({ path, message }) => `${path}: ${message}`)
}

test('a file is read again with the environment of the process', () => {
  const file = join(temporaryFolder('origin'), 'evenkeel.yaml')
  writeFileSync(file, text)
  const origin = fileOrigin(file, env)
  assert.deepEqual([origin.name, origin.file], [file, file])
  const read = origin.read()
  assert.equal(read.ok && read.plan.pools[0]!.backends[0]!.name, '10.0.0.1:80')
  rmSync(file)
  assert.deepEqual(messages(origin.read()), [': cannot be read: there is no such file'])
})

test('what is no file with an end is not waited for', () => {
  const file = join(temporaryFolder('origin'), 'evenkeel.yaml')
  execFileSync('mkfifo', [file])
  assert.deepEqual(messages(fileOrigin(file, env).read()), [
    ': is not a regular file, so it cannot be read again',
  ])
  assert.deepEqual(messages(fileOrigin('/dev/zero', env).read()), [
    ': is not a regular file, so it cannot be read again',
  ])
})

test('files that a configuration names are found from its folder, and must have an end, too', () => {
  const folder = temporaryFolder('origin')
  const origin = fileOrigin(join(folder, 'evenkeel.yaml'), env)
  writeFileSync(join(folder, 'server'), '10.0.0.2:80\n')
  const named = (path: string): LoadResult =>
    origin.readText(text.replace('${SERVER}', `\${file:${path}}`), 'new.yaml')
  const read = named('server')
  assert.equal(read.ok && read.plan.pools[0]!.backends.length, 1)
  renameSync(join(folder, 'server'), join(folder, 'gone'))
  execFileSync('mkfifo', [join(folder, 'server')])
  for (const path of ['server', '/dev/zero']) {
    const [message = ''] = messages(named(path))
    assert.match(message, /cannot read .*: it is not a regular file/)
  }
})

test('the environment alone is read again as well', () => {
  const origin = environmentOrigin({ EVENKEEL_BACKENDS: '10.0.0.1:80' })
  assert.deepEqual([origin.name, origin.file], ['environment', null])
  assert.equal(origin.read().ok, true)
})
