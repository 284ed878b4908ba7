import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { Upgrader, type UpgradeHost } from '../../../src/runtime/upgrade.ts'
import type { PredecessorMessage } from '../../../src/runtime/upgrade-protocol.ts'

/**
 * A new process that does all it should; `before` is called when it gets the state, `after` when
 * everything is its own. Not killed by anything but SIGKILL.
 */
function successor(before: () => void, after = (): void => {}, heard: string[] = []): ChildProcess {
  const child = new EventEmitter()
  const send = ({ kind }: PredecessorMessage): void => {
    if (kind === 'estate') child.emit('message', { kind: 'loaded', version: '2' })
    if (kind === 'state-free') {
      before()
      child.emit('message', { kind: 'ready', isServing: true })
    }
    if (kind === 'yours') {
      after()
      child.emit('message', { kind: 'taken' })
    }
  }
  const kill = (signal: string): void => {
    heard.push(signal)
    if (signal === 'SIGKILL') setImmediate(() => child.emit('exit', null, 'SIGKILL'))
  }
  const nothing = { unref: () => {}, channel: { unref: () => {} } }
  const parts = { pid: 7, connected: true, exitCode: null, signalCode: null, send, kill }
  return Object.assign(child, nothing, parts) as unknown as ChildProcess
}

/** A process that can be followed, and writes down what is asked of it. */
function hostOf(heard: string[], changes: Partial<UpgradeHost> = {}): UpgradeHost {
  return {
    version: '1',
    nowMs: () => 0,
    info: () => {},
    error: (message) => void heard.push(message),
    audit: () => {},
    refusal: () => null,
    moving: () => [],
    missed: () => null,
    estate: async () => ({ pid: 1, version: '1', sockets: [], available: [], isAway: false }),
    lend: async () => null,
    takeBack: async () => void heard.push('taken back'),
    leaveFree: () => void heard.push('left free'),
    giveWay: async () => void heard.push('gave way'),
    fence: async () => {},
    running: () => 0,
    end: (code) => void heard.push(`ended with ${code}`),
    start: () =>
      successor(
        () => {},
        () => {},
        heard,
      ),
    ...changes,
  }
}

const request = { timeoutMs: 5_000 }

test('a configuration on trial while the new process begins leaves everything as it was', async () => {
  const heard: string[] = []
  let refusal: string | null = null
  const host = hostOf(heard, {
    refusal: () => refusal,
    start: () => successor(() => (refusal = 'A configuration waits for: evenkeel confirm.')),
  })
  const answer = await new Upgrader(host).run(request)
  assert.deepEqual(answer, {
    ok: false,
    code: 'failed',
    message: 'A configuration waits for: evenkeel confirm. This process goes on as before.',
  })
  assert.deepEqual(heard, ['taken back'])
})

test('what the new process does not know of ends it, whether it is ready or not', async () => {
  for (const moment of ['before', 'when ready'] as const) {
    const heard: string[] = []
    let missed: string | null = null
    const happens = (): void => void (missed = "Pool 'db' has to move its active.")
    const host = hostOf(heard, {
      missed: () => missed,
      lend: async () => {
        if (moment === 'before') setImmediate(happens)
        return null
      },
      start: () => {
        const child = successor(moment === 'before' ? () => {} : happens, () => {}, heard)
        if (moment === 'when ready') return child
        // It never gets ready.
        const send = ({ kind }: PredecessorMessage): void => {
          if (kind === 'estate') child.emit('message', { kind: 'loaded', version: '2' })
        }
        return Object.assign(child, { send })
      },
    })
    assert.deepEqual(await new Upgrader(host).run(request), {
      ok: false,
      code: 'failed',
      message: "Pool 'db' has to move its active. This process goes on as before.",
    })
    assert.deepEqual(heard, ['SIGKILL', 'taken back'], moment)
  }
})

test('a stop before the new process is ready ends it, and leaves the state free', async () => {
  for (const moment of ['sockets', 'state'] as const) {
    const heard: string[] = []
    let cancelled = Promise.resolve()
    const stop = (): void => {
      cancelled = upgrader.cancel().then(() => void heard.push('nothing is left'))
    }
    const host = hostOf(heard, {
      ...(moment === 'sockets' ? { moving: () => (stop(), ['db']) } : {}),
      start: () => successor(stop, () => {}, heard),
    })
    const upgrader = new Upgrader(host)
    const answer = await upgrader.run(request)
    await cancelled
    const message = 'This process was told to stop. The new one has ended.'
    assert.deepEqual(answer, { ok: false, code: 'failed', message })
    assert.deepEqual(heard, ['SIGKILL', 'left free', 'nothing is left'], moment)
    const again = await upgrader.run(request)
    assert.equal(again.message, 'This process was told to stop.')
  }
})

test('a stop while this process gives way is passed on once, and this process ends', async () => {
  const heard: string[] = []
  const host = hostOf(heard, {
    giveWay: async () => {
      await upgrader.cancel()
      await upgrader.cancel()
      heard.push('gave way')
    },
  })
  const upgrader = new Upgrader(host)
  assert.equal((await upgrader.run(request)).ok, true)
  assert.deepEqual(heard, ['SIGTERM', 'gave way', 'ended with 0'])
})

test('the end of a process that was followed is its own', async () => {
  const heard: string[] = []
  const upgrader = new Upgrader(hostOf(heard))
  assert.equal((await upgrader.run(request)).ok, true)
  await upgrader.cancel()
  assert.deepEqual(heard, ['gave way', 'ended with 0'])
})

test('a disk that hangs ends the upgrade, and the state comes back when it answers', async () => {
  const heard: string[] = []
  let answer!: () => void
  const disk = new Promise<void>((done) => (answer = done))
  let isBack!: () => void
  const back = new Promise<void>((done) => (isBack = done))
  const host = hostOf(heard, {
    lend: () => disk.then(() => null),
    takeBack: () => disk.then(() => void heard.push('taken back')),
    info: (message) => {
      heard.push(message)
      if (message === 'the state directory is back') isBack()
    },
  })
  const upgrader = new Upgrader(host, { lastStepsMs: 5_000, backMs: 1 })
  assert.deepEqual(await upgrader.run({ timeoutMs: 1_000 }), {
    ok: false,
    code: 'failed',
    message:
      'The new process was not ready within 1 s: the state directory is not free, because its disk does not answer. This process goes on as before.',
  })
  const hangs = 'the state directory is not back: its disk does not answer'
  assert.deepEqual(heard.splice(0), ['a new process is to take over', 'SIGKILL', hangs])
  assert.deepEqual(await upgrader.run(request), {
    ok: false,
    code: 'refused',
    message:
      'The state directory has not come back since the last upgrade, because its disk does not answer.',
  })
  answer()
  await back
  assert.deepEqual(heard.splice(0), ['taken back', 'the state directory is back'])
  await new Promise(setImmediate)
  assert.equal((await upgrader.run(request)).ok, true)
})

test('a stop while the disk hangs ends the upgrade', async () => {
  const heard: string[] = []
  const host = hostOf(heard, {
    lend: () => {
      void upgrader.cancel()
      return new Promise(() => {})
    },
  })
  const upgrader = new Upgrader(host)
  const { message } = await upgrader.run(request)
  assert.equal(message, 'This process was told to stop. The new one has ended.')
  assert.deepEqual(heard, ['SIGKILL', 'left free'])
})

/** A new process that hangs when everything is to be its own, or dies then. */
function hanging(heard: string[], dies = false): ChildProcess {
  const child = successor(() => {}, undefined, heard)
  const send = child.send.bind(child)
  return Object.assign(child, {
    send: (message: PredecessorMessage) => {
      if (message.kind !== 'yours') send(message)
      else if (dies) child.emit('exit', 1, null)
    },
  })
}

test('a new process that hangs once everything is its own is killed, and this one ends and says so', async () => {
  const heard: string[] = []
  const host = hostOf(heard, { start: () => hanging(heard) })
  const answer = await new Upgrader(host, { lastStepsMs: 150, backMs: 5_000 }).run(request)
  assert.deepEqual(answer, {
    ok: false,
    code: 'failed',
    message:
      'The new process has not finished taking over within 0.15 s. It is killed. This process has stopped accepting and ends, too.',
  })
  assert.deepEqual(heard, ['gave way', 'the upgrade failed', 'SIGKILL', 'ended with 1'])
})

test('a new process that dies once everything is its own takes this one along', async () => {
  const heard: string[] = []
  const host = hostOf(heard, { start: () => hanging(heard, true) })
  const { message } = await new Upgrader(host).run(request)
  assert.equal(
    message,
    'The new process ended with code 1 before it had taken over. This process has stopped accepting and ends, too.',
  )
  assert.deepEqual(heard, ['gave way', 'the upgrade failed', 'ended with 1'])
})

test('a process that can not give everything up ends, and leaves all to the new one', async () => {
  const heard: string[] = []
  const host = hostOf(heard, { giveWay: () => new Promise(() => {}) })
  const { message } = await new Upgrader(host, { lastStepsMs: 150, backMs: 5_000 }).run(request)
  assert.equal(
    message,
    'This process has not given everything up within 0.15 s. It ends, and the new one takes over then.',
  )
  assert.deepEqual(heard, ['the upgrade failed', 'ended with 1'])
})
