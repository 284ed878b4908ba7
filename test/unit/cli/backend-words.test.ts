import assert from 'node:assert/strict'
import { test } from 'node:test'
import { main } from '../../../src/cli/program.ts'

test('wrong words are explained before anything is asked', async (context) => {
  let text = ''
  context.mock.method(process.stderr, 'write', (part: string) => {
    text += part
    return true
  })
  for (const [words, why] of [
    [['drain', 'web/a'], "required option '--reason <TEXT>' not specified"],
    [['drain', 'web', '--reason', 'x'], 'name a backend: web/BACKEND, or web BACKEND…'],
    [['drain', 'web/a', 'db/b', '--reason', 'x'], "one pool at a time: 'web' and 'db' were named"],
    [['drain', 'web', 'db/b', '--reason', 'x'], "'db/b' names a pool, but web was named before"],
    [['drain', 'web/', '--reason', 'x'], "'web/' is not POOL/BACKEND"],
    [['drain', 'web/a', '--reason', 'x', '--wait', 'long'], '--wait long: '],
    [['drain', 'web/a', '--reason', 'x', '--cut-after', '2h'], '--cut-after 2h: use up to 1h'],
    [['drain', 'web/a', '--reason', 'x', '--wait', '2d'], '--wait 2d: use up to 1d'],
    [['upgrade', '--timeout', '50ms'], '--timeout 50ms: use 100ms to 10m'],
    [['handover', '--timeout', '2h'], '--timeout 2h: use up to 1h'],
    [['weight', 'web/a', '--reason', 'x'], 'give a weight, or --reset'],
    [['weight', 'web', 'a', '--reason', 'x'], "'web' is not POOL/BACKEND"],
    [['weight', 'web/a', '70%'], 'say why, with --reason TEXT'],
    [['weight', 'web/a', 'much', '--reason', 'x'], "'much' is not a weight"],
    [['backend', 'drop', 'web', 'a', '--reason', 'x'], 'Allowed choices are add, remove'],
    [['backend', 'remove', 'web', 'a', ':80', '--reason', 'x'], 'remove takes a backend'],
    [['backend', 'remove', 'web', '--reason', 'x'], 'name a backend: web/BACKEND'],
    [['backend', 'add', 'web/a', ':80', 'more', '--reason', 'x'], "'more' is a word too many"],
  ] as const) {
    text = ''
    assert.equal(await main(words), 2, words.join(' '))
    assert.ok(text.includes(why), text)
  }
})
