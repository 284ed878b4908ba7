// Steps of the tcp check, and what every conversation has in common: its end, its cancelling.

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { TcpCheckStep } from '../../../src/core/check-plan.ts'
import { socketProber } from '../../../src/probe/prober.ts'
import { serverText } from '../../../src/probe/server-text.ts'
import { probeOnce, words } from '../../support/probe.ts'
import { type RawServer, type Script, serve } from '../../support/raw.ts'
import { waitFor } from '../../support/wait.ts'

const send = (bytes: string): TcpCheckStep => ({ kind: 'send', bytes })
const expect = (bytes: string): TcpCheckStep => ({ kind: 'expect', bytes })

async function started(t: TestContext, script: Script): Promise<RawServer> {
  const server = await serve(script)
  t.after(() => server.stop())
  return server
}

const ask = async (server: RawServer, steps: TcpCheckStep[], timeoutMs = 10_000): Promise<string> =>
  words(await probeOnce(server.port, { kind: 'tcp', steps }, timeoutMs))

test('a conversation goes step by step, whatever the pieces it comes in', async (t) => {
  let left = ''
  const server = await started(t, async (peer) => {
    await peer.send('220 mail.')
    await peer.send('example ready\r\n')
    assert.equal(await peer.until('\r\n'), 'EHLO me\r\n')
    peer.write('250-SIZE\r\n250 OK\r\n')
    left = await peer.end()
    peer.finish('221 bye\r\n')
  })
  const steps = [
    expect('220 '),
    expect('ready\r\n'),
    send('EHLO me\r\n'),
    expect('250 '),
    send('QUIT\r\n'),
  ]
  assert.equal(await ask(server, steps), 'pass: answered in _ ms')
  await waitFor(() => server.peers[0]?.closed)
  assert.deepEqual([left, server.peers[0]!.code], ['QUIT\r\n', ''])
})

test('bytes that are not text are sent and expected as they are', async (t) => {
  const server = await started(t, async (peer) => {
    assert.deepEqual(await peer.bytes(3), Buffer.from([0, 0xff, 0xc3]))
    peer.write(Buffer.from([1, 0xfe, 0x80]))
  })
  assert.equal(
    await ask(server, [send('\0\xff\xc3'), expect('\xfe\x80')]),
    'pass: answered in _ ms',
  )
})

test('what came instead is shown, whether the server waits or closes', async (t) => {
  const waiting = await started(t, async (peer) => {
    await peer.until('\n')
    peer.write('-ERR no\r\n')
  })
  const steps = [send('PING\n'), expect('+PONG')]
  assert.equal(
    await ask(waiting, steps, 200),
    'fail: expected "+PONG", got "-ERR no\\r\\n" within 200ms',
  )
  const closing = await started(t, (peer) => peer.finish('\0\x1bbye'))
  assert.equal(await ask(closing, steps), 'fail: expected "+PONG", got "\\x00\\x1bbye"')
  const silent = await started(t, () => {})
  assert.equal(await ask(silent, steps, 200), 'fail: expected "+PONG", got nothing within 200ms')
})

test('what an earlier step took is not looked at again', async (t) => {
  const server = await started(t, (peer) => peer.write('one'))
  assert.equal(
    await ask(server, [expect('one'), expect('one')], 200),
    'fail: expected "one", got nothing within 200ms',
  )
})

test('a server that repeats what it was sent does not get a password shown', async (t) => {
  const echo = await started(t, async (peer) => {
    peer.write(await peer.until('\n'))
  })
  assert.equal(
    await ask(echo, [send('AUTH s3cret-word\r\n'), expect('+OK')], 200),
    'fail: expected "+OK", got "AUTH ***\\r\\n" within 200ms',
  )
})

test('only the first 64 KiB are looked at', async (t) => {
  const server = await started(t, (peer) => peer.write(`${'x'.repeat(65_536)}found`))
  assert.equal(await ask(server, [expect('found')]), 'fail: the answer is longer than 64 KiB')
})

test('a server that does not close is left within half a second', async (t) => {
  const server = await started(t, (peer) => peer.write('ready'))
  assert.equal(await ask(server, [expect('ready')]), 'pass: answered in _ ms')
  const startedMs = performance.now()
  await (await server.peer(0)).gone()
  assert.ok(performance.now() - startedMs < 400)
  // It keeps its half open: ours is gone all the same.
  const peer = await server.peer(0)
  await waitFor(
    () => {
      peer.write('more')
      return peer.closed
    },
    { what: 'the probe to cut the connection', timeoutMs: 2_000 },
  )
})

test('a cancelled conversation says nothing, not even goodbye', async (t) => {
  let met = () => {}
  const meeting = new Promise<void>((resolve) => (met = resolve))
  const server = await started(t, async (peer) => {
    await peer.until('*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n')
    met()
    assert.equal(await peer.end(), '')
  })
  const request = {
    address: { kind: 'tcp' as const, host: '127.0.0.1', port: server.port },
    check: { kind: 'redis' as const, user: null, password: null },
    port: null,
    timeoutMs: 5_000,
  }
  const cancel = socketProber.probe(request, () => assert.fail('cancelled probes say nothing'))
  await meeting
  cancel()
  await (await server.peer(0)).gone()
})

test('a server text is short, printable and without secrets', () => {
  assert.equal(serverText('plain "words"', []), '"plain "words""')
  assert.equal(serverText(Buffer.from([0x41, 0xff, 0x0a, 0x7f]), []), '"A·\\n\\x7f"')
  assert.equal(serverText('x'.repeat(200), []), `"${'x'.repeat(120)}…"`)
  assert.equal(serverText('my hunter2 and hunter2', ['hunter2', '']), '"my *** and ***"')
  // Cut after the secret has gone, not through it.
  assert.equal(serverText(`${'x'.repeat(118)}hunter2`, ['hunter2']), `"${'x'.repeat(118)}**…"`)
})
