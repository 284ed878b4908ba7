import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogOptions } from '../../../src/observe/log.ts'
import { openLog } from '../../../src/observe/log.ts'

function lines(options: Omit<LogOptions, 'write'>): {
  log: ReturnType<typeof openLog>
  out: string[]
} {
  const out: string[] = []
  return { log: openLog({ ...options, write: (line) => out.push(line) }), out }
}

test('a line is JSON with a level word and an ISO time, one object a line', () => {
  const { log, out } = lines({ level: 'info' })
  log.warn('backend is down', { pool: 'web', backend: 'a\n' })
  assert.equal(out.length, 1)
  assert.equal(out[0]!.indexOf('\n'), out[0]!.length - 1)
  const line = JSON.parse(out[0]!) as Record<string, string>
  assert.match(line['time']!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  delete line['time']
  assert.deepEqual(line, { level: 'warn', pool: 'web', backend: 'a\n', message: 'backend is down' })
})

test('lines below the level are not written', () => {
  const { log, out } = lines({ level: 'warn' })
  log.debug('a')
  log.info('b')
  log.error('c')
  assert.deepEqual(
    out.map((line) => (JSON.parse(line) as { message: string }).message),
    ['c'],
  )
  const silent = lines({ level: 'silent' })
  silent.log.error('d')
  assert.deepEqual(silent.out, [])
})

test('for a person a line is text, coloured only where that is wanted', () => {
  const { log, out } = lines({ level: 'debug', pretty: true })
  log.info('hello', { pool: 'web', count: 2 })
  assert.match(out[0]!, /^\d\d:\d\d:\d\d\.\d{3} info {2}hello {2}pool=web {2}count=2\n$/)
  const colored = lines({ level: 'debug', pretty: true, color: true })
  colored.log.error('hello')
  assert.ok(colored.out[0]!.includes('\u001b[31merror\u001b[0m hello'))
})
