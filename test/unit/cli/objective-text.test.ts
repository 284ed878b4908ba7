import assert from 'node:assert/strict'
import { test } from 'node:test'
import { objectiveText } from '../../../src/cli/objective-text.ts'
import { assessObjectives } from '../../../src/core/objective.ts'
import { parse } from '../config/cases.ts'
import { standby } from '../config/standby-cases.ts'

function textOf(config: string): string {
  const result = parse(config)
  assert.ok(result.ok)
  return assessObjectives(result.plan)
    .flatMap(objectiveText)
    .map((line) => `${line}\n`)
    .join('')
}

test('the worst case is shown line by line', () => {
  const config = standby(
    'failover: { promote: { exec: [a], timeout: 4s } }\n    objective: { rto: 3s }',
  ).replace('tcp: {}', 'http: /, interval: 1s, timeout: 500ms, fall: 2')
  assert.equal(
    textOf(config),
    `  objective of pool app: rto 3s; worst case 11.556s: NOT met
    when its process is gone: noticed within 1.654s, under live traffic within 102ms
    when its host, or the way to it, is gone: noticed within 2.154s, under live traffic within 1.302s
      until the next probe      1.1s  interval 1s + 10%
      1 more until it is down  550ms  fall 2; fastInterval 500ms + 10% from one to the next
      the last gets no answer  500ms  timeout 500ms
      our own loop               4ms  2ms a probe
    when its process hangs: noticed within 2.154s, under live traffic within 802ms
    then it moves within 9.402s
      the move is written down         50ms  the state file
      the old one gets nothing more   300ms  a thread that doesn't say so within 250ms is ended
      the standby is promoted            4s  timeout of the hook 4s
      it proves that it serves           5s  proveWithin 5s
      the new active is written down   50ms  the state file
      our own loop                      2ms  2ms to wake up
    provided that one backend fails at a time, and Evenkeel itself keeps its pace; a standby is ready: fit for 10s without a break
`,
  )
})

test('a failure that no check notices keeps any objective from being met', () => {
  const config = standby('objective: { rto: 10s }').replace('active-standby', 'active-active')
  assert.equal(
    textOf(config),
    `  objective of pool app: rto 10s; NOT met: a process that hangs passes a check that only connects: its system accepts for it
    when its process is gone: noticed within 3.306s, under live traffic within 102ms
    when its host, or the way to it, is gone: noticed within 5.206s, under live traffic within 1.302s
      until the next probe     2.2s  interval 2s + 10%
      2 more until it is down    2s  fall 3; timeout 1s from one to the next
      the last gets no answer    1s  timeout 1s
      our own loop              6ms  2ms a probe
    when its process hangs: no check notices
    provided that one backend fails at a time, and Evenkeel itself keeps its pace
`,
  )
})

test('a pool without an objective is passed over', () => {
  assert.equal(textOf(standby()), '')
})
