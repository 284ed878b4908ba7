import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import type { Timers } from '../../../src/core/clock.ts'
import type { StateStore } from '../../../src/ha/state-file.ts'
import { StateFileError } from '../../../src/ha/state-dir.ts'
import { ManualTime } from '../../support/discovery.ts'
import { openState } from '../../support/open-state.ts'
import type { FailoverRecord } from '../../../src/core/failover-record.ts'
import { startProcess } from '../../support/processes.ts'
import { waitFor } from '../../support/wait.ts'

const root = mkdtempSync(join(tmpdir(), 'evenkeel-state-'))
let count = 0
const opened: StateStore[] = []

function folder(): string {
  return join(root, String(count++))
}

async function open(dir: string, timers?: Timers): Promise<StateStore> {
  const state = await openState(dir, timers)
  opened.push(state)
  return state
}

afterEach(async () => {
  for (const state of opened.splice(0)) await state.close()
})

const record: FailoverRecord = {
  active: 'a',
  epoch: 7,
  movingTo: 'b',
  frozen: { by: 'kim', reason: 'kernel' },
  pinned: true,
  fresh: ['a', 'b'],
  lastMoves: [
    {
      kind: 'failover',
      outcome: 'moved',
      from: 'a',
      to: 'b',
      epoch: 7,
      reason: 'a is gone',
      by: 'evenkeel',
      at: 1_700_000_000_000,
      detectionMs: 812.5,
      moveMs: 31,
      sessions: { at: 3, finished: 0, cut: 3 },
      metObjective: true,
    },
  ],
}

/** A closed state file with one record, and with another generation before it. */
async function prepared(): Promise<string> {
  const dir = folder()
  const state = await open(dir)
  await state.save({ db: { ...record, epoch: 6 } })
  await state.save({ db: record })
  await state.close()
  return dir
}

async function refusal(dir: string): Promise<string> {
  let message = ''
  await assert.rejects(open(dir), (error) => {
    assert.ok(error instanceof StateFileError)
    message = error.message
    return true
  })
  assert.ok(!existsSync(join(dir, 'failover.lock')), 'a refused open leaves no lock')
  return message.replaceAll(dir, 'DIR')
}

test('what was saved is read back, whole and for this user alone', async () => {
  const dir = folder()
  const first = await open(dir)
  assert.deepEqual(first.loaded.pools, {})
  assert.deepEqual(first.loaded.warnings, [])
  await first.save({ db: record })
  assert.equal(statSync(dir).mode & 0o777, 0o700)
  assert.equal(statSync(join(dir, 'failover.json')).mode & 0o777, 0o600)
  await first.close()
  const second = await open(dir)
  assert.deepEqual(second.loaded.pools, { db: record })
  assert.deepEqual(second.loaded.warnings, [])
  assert.deepEqual(readdirSync(dir).sort(), ['failover.json', 'failover.lock', 'failover.reserve'])
})

test('a save leaves the pools it does not name as they were', async () => {
  const dir = folder()
  const first = await open(dir)
  await first.save({ gone: record, db: record })
  await first.close()
  const second = await open(dir)
  await second.save({ db: { ...record, epoch: 8 } })
  await second.close()
  const third = await open(dir)
  assert.deepEqual(third.loaded.pools, { gone: record, db: { ...record, epoch: 8 } })
})

test('each save is on the disk when it is acknowledged, the latest state wins', async () => {
  const dir = folder()
  const state = await open(dir)
  const epochs = Array.from({ length: 50 }, (_, i) => i)
  await Promise.all(
    epochs.map(async (epoch) => {
      await state.save({ db: { ...record, epoch } })
      const text = readFileSync(join(dir, 'failover.json'), 'utf8')
      const kept = (JSON.parse(text) as { pools: { db: FailoverRecord } }).pools.db.epoch
      assert.ok(kept >= epoch, `${epoch} was acknowledged with ${kept} on the disk`)
    }),
  )
  const older = readFileSync(join(dir, 'failover.json.old'), 'utf8')
  assert.match(older, /"epoch": 0/, 'fifty saves at once are two writings')
})

test('a torn file is not taken for an empty one: the state before it, with a higher epoch', async () => {
  for (const text of ['', '{"version": 1, "pools": {"db": {"act', '\0\0\0\0']) {
    const dir = await prepared()
    writeFileSync(join(dir, 'failover.json'), text)
    const state = await open(dir)
    assert.deepEqual(state.loaded.pools, { db: { ...record, epoch: 7 } })
    assert.deepEqual(
      state.loaded.warnings.map((line) => line.replaceAll(dir, 'DIR')),
      [
        'DIR/failover.json is damaged; going on from DIR/failover.json.old, the state before it, with epochs raised by one',
      ],
    )
    // The good generation must survive until a new one is whole.
    await state.save({ db: { ...record, epoch: 8 } })
    assert.match(readFileSync(join(dir, 'failover.json.old'), 'utf8'), /"epoch": 6/)
    await state.close()
    const next = await open(dir)
    assert.deepEqual(next.loaded.pools, { db: { ...record, epoch: 8 } })
    assert.deepEqual(next.loaded.warnings, [])
    await next.close()
  }
})

test('a crash at any point of a save leaves the last acknowledged state or the next', async () => {
  const dir = await prepared()
  const [newest, before, next] = ['', '.old', '.new'].map((end) => join(dir, `failover.json${end}`))
  const seen = async (): Promise<number> => {
    const state = await open(dir)
    await state.close()
    return state.loaded.pools['db']!.epoch
  }
  const text = readFileSync(newest!, 'utf8').replace('"epoch": 7', '"epoch": 8')
  writeFileSync(next!, text.slice(0, 50))
  assert.equal(await seen(), 7, 'the next one half written')
  writeFileSync(next!, text)
  assert.equal(await seen(), 7, 'the next one written')
  renameSync(newest!, before!)
  assert.equal(await seen(), 7, 'the newest one put away')
  renameSync(next!, newest!)
  assert.equal(await seen(), 8, 'the next one in its place')
})

test('a file that is gone while the one before is there is said', async () => {
  const dir = await prepared()
  rmSync(join(dir, 'failover.json'))
  const state = await open(dir)
  assert.equal(state.loaded.pools['db']!.epoch, 6)
  assert.match(state.loaded.warnings[0]!, /is missing; going on from/)
})

test('what can not be read is refused with what to do', async () => {
  const both = await prepared()
  writeFileSync(join(both, 'failover.json'), '{')
  writeFileSync(join(both, 'failover.json.old'), '')
  assert.equal(
    await refusal(both),
    'the state file DIR/failover.json is damaged, and there is no whole DIR/failover.json.old to go back to. It holds which backend is active and under which epoch, so nothing is assumed in its place: restore it, or, if you know that no other backend than the preferred one was ever active, remove it and failover.json.old',
  )
  for (const [text, why] of [
    ['{"version": 2, "pools": {}}', 'its version is 2, and this Evenkeel knows 1'],
    ['{"version": 1}', 'pools: '],
    ['[]', 'its content: '],
    ['{"pools": {}}', 'its version is "none", and'],
    ['{"version": 1, "pools": {"db": {}}}', 'pools.db.active: '],
  ] as const) {
    const dir = await prepared()
    writeFileSync(join(dir, 'failover.json'), text)
    const message = await refusal(dir)
    const start = `the state file DIR/failover.json is not a state of Evenkeel's: ${why}`
    assert.equal(message.slice(0, start.length), start)
  }
  const folderInstead = folder()
  mkdirSync(join(folderInstead, 'failover.json'), { recursive: true })
  assert.match(await refusal(folderInstead), /failover\.json can't be read: EISDIR/)
})

test('an epoch that is no whole number is not read as one', async () => {
  const dir = await prepared()
  const path = join(dir, 'failover.json')
  writeFileSync(path, readFileSync(path, 'utf8').replace('"epoch": 7', '"epoch": 7.5'))
  assert.match(await refusal(dir), /pools\.db\.epoch/)
})

test('a directory that can not be used is refused by name', async () => {
  const file = folder()
  writeFileSync(file, '')
  await assert.rejects(open(join(file, 'state')), {
    name: 'StateFileError',
    message: `the state directory ${file}/state can't be used: it is not a directory (ENOTDIR)`,
  })
})

test('whoever waits for what is being saved learns whether it was', async () => {
  const dir = folder()
  const state = await open(dir)
  assert.equal(await state.settled(), null)
  void state.save({ db: record })
  assert.equal(await state.settled(), null)
  assert.match(readFileSync(join(dir, 'failover.json'), 'utf8'), /"epoch": 7/)
  rmSync(dir, { recursive: true })
  state.save({ db: record }).catch(() => {})
  assert.match((await state.settled()) ?? '', /lock of the state directory/)
})

test('a save that fails says where and why, keeps nothing of it, and the next may succeed', async () => {
  const dir = folder()
  const state = await open(dir)
  await state.save({ db: record })
  // A link in place of the next file is never followed.
  symlinkSync('/dev/full', join(dir, 'failover.json.new'))
  await assert.rejects(state.save({ db: { ...record, epoch: 8 } }), {
    name: 'StateFileError',
    path: join(dir, 'failover.json'),
    message: /^the state file .*\/failover\.json can't be written: .*ELOOP/,
  })
  await state.save({ other: record })
  await state.close()
  const again = await open(dir)
  assert.deepEqual(again.loaded.pools, { db: record, other: record })
})

test('what holds whether or not it is kept is tried again until it is', async () => {
  const dir = folder()
  const time = new ManualTime()
  const state = await open(dir, time)
  const errors: string[] = []
  const failed = ({ message }: Error) => void errors.push(message)
  const kept = () => JSON.parse(readFileSync(join(dir, 'failover.json'), 'utf8')).pools
  await state.save({ db: record })
  mkdirSync(join(dir, 'failover.json.new'))
  const unfrozen = { ...record, frozen: null }
  state.keep({ db: unfrozen }, failed)
  await state.settled()
  // Not the claim: whoever made it knows that it was lost, and goes on as before.
  await assert.rejects(state.save({ db: { ...unfrozen, epoch: 8 }, other: record }))
  for (let i = 0; i < 3; i++) {
    await time.pass(5_000)
    await state.settled()
  }
  assert.equal(errors.length, 1)
  assert.match(errors[0]!, /failover\.json can't be written: .*EISDIR/)
  rmdirSync(join(dir, 'failover.json.new'))
  await time.pass(4_999)
  await state.settled()
  assert.deepEqual(kept(), { db: record })
  await time.pass(1)
  assert.equal(await state.settled(), null)
  assert.deepEqual(kept(), { db: unfrozen })
  assert.equal(time.waiting, 0, 'it is kept, and that was all')
})

test('what could not be kept is written with the next save, and at the latest with the close', async () => {
  const dir = folder()
  const time = new ManualTime()
  for (const end of ['save', 'close'] as const) {
    const state = await open(dir, time)
    const blocked = join(dir, 'failover.json.new')
    mkdirSync(blocked)
    state.keep({ [end]: record }, () => {})
    assert.match((await state.settled()) ?? '', /EISDIR/)
    rmdirSync(blocked)
    if (end === 'save') {
      // What came after it is newer.
      await state.save({ save: { ...record, epoch: 9 } })
      // The other way round, while another one is being written.
      void state.save({ last: record })
      void state.save({ last: { ...record, epoch: 8 } })
      state.keep({ last: { ...record, epoch: 9 } }, assert.fail)
    }
    await state.close()
    assert.equal(time.waiting, 0)
    state.keep({ db: record }, ({ message }) => assert.match(message, /is closed/))
  }
  const { pools } = (await open(dir)).loaded
  const newest = { ...record, epoch: 9 }
  assert.deepEqual(pools, { save: newest, last: newest, close: record })
})

test('after close nothing is saved any more', async () => {
  const dir = folder()
  const state = await open(dir)
  const last = state.save({ db: record })
  await state.close()
  await last
  await assert.rejects(state.save({ db: record }), /is closed/)
  assert.deepEqual(readdirSync(dir).sort(), ['failover.json', 'failover.reserve'])
})

test('two never share a directory, and the second one learns who has it', async () => {
  const dir = folder()
  const first = await open(dir)
  await assert.rejects(open(dir), {
    name: 'StateFileError',
    message: new RegExp(
      `^the state directory ${dir} is in use: the process ${process.pid} on .* uses it; each Evenkeel needs a directory of its own`,
    ),
  })
  await first.close()
  await open(dir)
})

test('of many that start at once one gets the directory', async () => {
  const dir = folder()
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => open(dir)))
  assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1)
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.includes('lock')),
    ['failover.lock'],
  )
})

test('the lock of a dead process is taken over, that of a stopped one is not', async () => {
  const dir = folder()
  const program = new URL('../../support/state-writer.js', import.meta.url)
  const writer = startProcess(process.execPath, [program.pathname, dir])
  await waitFor(() => writer.stdout().includes('kept'), { what: writer.stderr() })
  writer.signal('SIGSTOP')
  await assert.rejects(open(dir), /is in use: another process uses it/)
  writer.signal('SIGKILL')
  await writer.exited
  assert.ok(existsSync(join(dir, 'failover.lock')))
  await open(dir)
})

test('whoever lost the lock writes nothing any more', async () => {
  const dir = folder()
  const state = await open(dir)
  await state.save({ db: record })
  rmSync(join(dir, 'failover.lock'))
  const other = await open(dir)
  await assert.rejects(state.save({ db: { ...record, epoch: 8 } }), /lock .* was removed or taken/)
  await state.close()
  await other.save({ db: { ...record, epoch: 9 } })
  assert.ok(existsSync(join(dir, 'failover.lock')), 'the lock of the other one stays')
})

test(
  'a directory with a long path has a lock, too',
  { skip: process.platform !== 'linux' },
  async () => {
    const dir = join(folder(), 'x'.repeat(120), 'y'.repeat(120))
    await open(dir)
    await assert.rejects(open(dir), new RegExp(`the process ${process.pid} on`))
  },
)

test('somebody who asked who has the lock, and reads no answer, holds nobody up', async () => {
  const dir = folder()
  const state = await open(dir)
  const asking = createConnection({ path: join(dir, 'failover.lock'), allowHalfOpen: true })
  await once(asking, 'connect')
  await state.close()
  asking.destroy()
  await open(dir)
})

test('a file in place of the lock is not removed', async () => {
  const dir = folder()
  mkdirSync(dir)
  writeFileSync(join(dir, 'failover.lock'), 'mine')
  await assert.rejects(open(dir), /failover\.lock is not a lock of Evenkeel's/)
  assert.equal(readFileSync(join(dir, 'failover.lock'), 'utf8'), 'mine')
})

test('without a directory nothing is kept, and nothing fails', async () => {
  const state = await openState(null)
  await state.save({ db: record })
  assert.deepEqual(state.loaded, { pools: {}, warnings: [] })
  await state.close()
})

test('a state directory keeps the mode its owner gave it', async () => {
  const dir = folder()
  mkdirSync(dir)
  chmodSync(dir, 0o750)
  await open(dir)
  assert.equal(statSync(dir).mode & 0o777, 0o750)
})
