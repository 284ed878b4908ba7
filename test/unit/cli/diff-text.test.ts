import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PlanDiff } from '../../../src/core/reload.ts'
import { diffText } from '../../../src/cli/diff-text.ts'

const none = { added: [], removed: [], changed: [] }
const changes: PlanDiff = {
  listeners: {
    added: ['new'],
    removed: ['old'],
    changed: [
      {
        name: 'moved',
        settings: [{ path: 'bind', before: ':80', after: ':81' }],
        isReplaced: true,
      },
    ],
  },
  pools: {
    added: ['api'],
    removed: ['img'],
    changed: [
      {
        name: 'web',
        settings: [
          { path: 'healthCheck.redis.password', before: '(hidden)', after: '(hidden)' },
          { path: 'timeouts.connect', before: '1s', after: '2s' },
        ],
        backends: {
          added: ['c'],
          removed: ['a'],
          changed: [
            {
              name: 'b',
              settings: [{ path: 'zone', before: null, after: 'seoul' }],
              isReplaced: false,
            },
          ],
        },
      },
    ],
  },
  settings: [{ path: 'runtime.drain', before: '8s', after: '10s' }],
  fixed: [{ path: 'runtime.threads', before: 'auto', after: '2', advice: 'restart Evenkeel' }],
}

test('each difference is a line, with what is in flight on what goes', () => {
  const leaving = [
    { kind: 'listener', name: 'old', sessions: 1 },
    { kind: 'listener', name: 'moved', sessions: 5 },
    { kind: 'backend', name: 'img/x', sessions: 2 },
    { kind: 'backend', name: 'img/y', sessions: 3 },
    { kind: 'backend', name: 'web/a', sessions: 0 },
  ] as const
  assert.deepEqual(diffText({ changes, leaving, drainMs: 10_000 }, false), [
    '~ runtime.drain 8s -> 10s',
    '+ listener new',
    '- listener old  (1 connection)',
    '~ listener moved: bind :80 -> :81',
    '  listener moved is a new one under the old name  (5 connections)',
    '+ pool api',
    '- pool img  (5 in flight)',
    '~ pool web: healthCheck.redis.password changed',
    '~ pool web: timeouts.connect 1s -> 2s',
    '+ backend web/c',
    '- backend web/a',
    '~ backend web/b: zone (not set) -> seoul',
    '! runtime.threads auto -> 2: restart Evenkeel',
    '  what is in flight on backends that go may finish; tunnels are cut after 10s (runtime.drain)',
  ])
})

test('no difference, no line; colour only where it is wanted', () => {
  const nothing = { changed: [], added: [], removed: [] }
  const same: PlanDiff = { listeners: none, pools: nothing, settings: [], fixed: [] }
  assert.deepEqual(diffText({ changes: same, leaving: [], drainMs: 0 }, true), [])
  assert.deepEqual(diffText({ changes: null, leaving: [], drainMs: 0 }, true), [])
  const added = { ...same, pools: { ...nothing, added: ['api'] } }
  assert.deepEqual(diffText({ changes: added, leaving: [], drainMs: 0 }, true), [
    '\u001b[32m+ pool api\u001b[0m',
  ])
})
