import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FailoverRecord } from '../../../src/core/failover-record.ts'
import type { BackendOverride } from '../../../src/core/overrides.ts'
import type { FailoverStore } from '../../../src/ha/failover-store.ts'
import type { KeptState } from '../../../src/runtime/kept-state.ts'
import { afterPredecessor, LendableState } from '../../../src/runtime/upgrade-state.ts'

function record(epoch: number): FailoverRecord {
  return { epoch } as FailoverRecord
}

/** A kept state that writes down what happens to it. */
function keptState(heard: string[], isKept = true): KeptState {
  const close = async (): Promise<void> => void heard.push('closed')
  return {
    failover: {
      loaded: { pools: { web: record(3) }, warnings: [] },
      save: async (pools) => void heard.push(`saved ${JSON.stringify(pools)}`),
      keep: (pools) => void heard.push(`keeps ${JSON.stringify(pools)}`),
      settled: async () => null,
      close,
    },
    overrides: {
      loaded: { overrides: [], warnings: [] },
      isKept,
      save: async (overrides) => void heard.push(`${overrides.length} overrides`),
    },
    members: {
      loaded: { answers: [], warnings: [] },
      save: async (answers) => void heard.push(`${answers.length} answers`),
    },
    close,
  }
}

function lendable(heard: string[]): LendableState {
  return new LendableState(keptState(heard), null, async () => {
    heard.push('opened')
    return keptState(heard)
  })
}

test('what is saved while the state is lent is kept when it comes back, and not before', async () => {
  const heard: string[] = []
  const state = lendable(heard)
  await state.failover.save({ web: record(4) })
  await state.lend()
  const saving = state.failover.save({ web: record(5) })
  const settled = state.failover.settled()
  await new Promise(setImmediate)
  assert.deepEqual(heard, ['saved {"web":{"epoch":4}}', 'closed'])
  await state.takeBack()
  await saving
  assert.equal(await settled, null)
  assert.deepEqual(heard.slice(2), ['opened', 'saved {"web":{"epoch":5}}'])
})

test('what is to be kept while the state is lent waits, or its keeper hears why it can not be', async () => {
  const heard: string[] = []
  const state = lendable(heard)
  const failed = ({ message }: Error) => void heard.push(message)
  await state.lend()
  state.failover.keep({ web: record(5) }, failed)
  assert.equal(state.memory.pools['web']!.epoch, 5)
  await state.takeBack()
  await new Promise(setImmediate)
  await state.lend()
  state.failover.keep({ web: record(6) }, failed)
  state.giveUp()
  await new Promise(setImmediate)
  const kept = 'keeps {"web":{"epoch":5}}'
  assert.deepEqual(heard, ['closed', 'opened', kept, 'closed', 'another process has taken over'])
})

test('what is saved after another process has taken over is refused', async () => {
  const heard: string[] = []
  const state = lendable(heard)
  await state.lend()
  const saving = state.failover.save({ web: record(5) })
  const refused = assert.rejects(saving, /another process has taken over/)
  const settled = state.failover.settled()
  await state.close()
  await refused
  assert.equal(await settled, 'another process has taken over')
  await assert.rejects(state.overrides.save([]), /another process has taken over/)
  assert.deepEqual(heard, ['closed'])
})

test('what waits for a state that does not come back is refused', async () => {
  const state = lendable([])
  await state.lend()
  const saving = assert.rejects(state.overrides.save([]), /another process has taken over/)
  state.giveUp()
  await saving
})

test('what waits for a state that cannot be opened again is refused', async () => {
  const failing = async (): Promise<KeptState> => {
    throw new Error('in use')
  }
  const state = new LendableState(keptState([]), null, failing)
  await state.lend()
  const saving = assert.rejects(state.overrides.save([]), /in use/)
  await assert.rejects(state.takeBack(), /in use/)
  await saving
})

test('a stop while the state is opened again closes it again', async () => {
  const heard: string[] = []
  let open!: (kept: KeptState) => void
  const opening = new Promise<KeptState>((done) => (open = done))
  const state = new LendableState(keptState(heard), null, () => opening)
  await state.lend()
  const back = state.takeBack()
  const closed = state.close()
  open(keptState(heard))
  await Promise.all([back, closed])
  assert.deepEqual(heard, ['closed', 'closed'])
})

test('what waits while the process ends is refused for that reason', async () => {
  const state = lendable([])
  await state.lend()
  const settled = state.failover.settled()
  state.giveUp('Evenkeel is stopping')
  assert.equal(await settled, 'Evenkeel is stopping')
  await assert.rejects(state.overrides.save([]), /Evenkeel is stopping/)
})

test('a state that could not be opened again is tried again whenever something is to be kept', async () => {
  const heard: string[] = []
  let isFree = false
  const state = new LendableState(keptState(heard), null, async () => {
    if (!isFree) throw new Error('in use')
    heard.push('opened')
    return keptState(heard)
  })
  await state.lend()
  await assert.rejects(state.takeBack(), /in use/)
  await assert.rejects(state.failover.save({ web: record(4) }), /in use/)
  assert.equal(await state.failover.settled(), 'in use')
  isFree = true
  await Promise.all([state.failover.save({ web: record(5) }), state.overrides.save([])])
  assert.deepEqual(heard, ['closed', 'opened', 'saved {"web":{"epoch":5}}', '0 overrides'])
  await state.close()
  await assert.rejects(state.failover.save({ web: record(6) }), /another process has taken over/)
})

test('what the running process knows wins over what a directory held before it', async () => {
  const heard: string[] = []
  const drained = { pool: 'web', backend: 'a' } as BackendOverride
  const memory = {
    pools: { web: { ...record(2), active: 'a' }, db: record(7) },
    overrides: [drained],
  }
  const kept = keptState(heard)
  const failover = { loaded: { pools: { web: { ...record(3), active: 'b' } }, warnings: [] } }
  const overrides = { loaded: { overrides: [{ pool: 'web', backend: 'b' } as BackendOverride] } }
  const stale = {
    ...kept,
    failover: { ...kept.failover, ...failover },
    overrides: { ...kept.overrides, loaded: { ...overrides.loaded, warnings: [] } },
  }
  const state = new LendableState(stale, memory, async () => kept)
  // An epoch never falls, whoever it was for.
  const pools = { web: { epoch: 3, active: 'a' }, db: { epoch: 7 } }
  assert.deepEqual(state.failover.loaded.pools, pools)
  assert.deepEqual(state.overrides.loaded.overrides, [drained])
  assert.deepEqual(heard, [])
  assert.equal(await state.keepMemory(), null)
  assert.deepEqual(heard, [`saved ${JSON.stringify(pools)}`, '1 overrides'])
})

test('a new state directory gets what the one before held', async () => {
  const old = new LendableState(keptState([]), null, async () => keptState([]))
  await old.failover.save({ web: record(7) })
  await old.overrides.save([{ pool: 'web', backend: 'a' } as BackendOverride])
  const heard: string[] = []
  const same = keptState(heard)
  const next = { ...same, failover: { ...same.failover, loaded: { pools: {}, warnings: [] } } }
  const state = new LendableState(next, old.memory, async () => same)
  assert.equal(await state.keepMemory(), null)
  assert.deepEqual(heard, ['saved {"web":{"epoch":7}}', '1 overrides'])
  // What is there already is not written again.
  const { memory } = new LendableState(keptState([]), null, async () => same)
  const again = new LendableState(keptState(heard), memory, async () => same)
  assert.equal(await again.keepMemory(), null)
  assert.equal(heard.length, 2)
})

test('what could not be kept at the takeover is told', async () => {
  const kept = keptState([])
  const save = async (): Promise<void> => assert.fail('the disk is full')
  const full = { ...kept, failover: { ...kept.failover, save } }
  const memory = { pools: { web: record(9) }, overrides: [] }
  const state = new LendableState(full, memory, async () => kept)
  assert.equal(await state.keepMemory(), 'the disk is full')
})

test('whether a word of an operator waits for what is lent is known', async () => {
  const state = lendable([])
  const background = (): Promise<void> => state.failover.save({ web: record(4) })
  await background()
  await state.lend()
  const saving = background()
  assert.equal(state.isMissed, false)
  const words = [() => state.failover.settled(), () => state.overrides.save([])]
  for (const word of words) {
    const said = word()
    assert.equal(state.isMissed, true)
    await state.takeBack()
    await Promise.all([said, saving])
    assert.equal(state.isMissed, false)
    await state.lend()
  }
})

test('nothing is lent before what is being saved is on the disk', async () => {
  const heard: string[] = []
  const kept = keptState(heard)
  let written!: () => void
  const slow = { ...kept.overrides, save: () => new Promise<void>((done) => (written = done)) }
  const state = new LendableState({ ...kept, overrides: slow }, null, async () => kept)
  const saving = state.overrides.save([])
  const lending = state.lend()
  await new Promise(setImmediate)
  assert.deepEqual(heard, [])
  written()
  await Promise.all([saving, lending])
  assert.deepEqual(heard, ['closed'])
})

test('what discovery was told is kept while the state is here, and waits for nothing', async () => {
  const heard: string[] = []
  const state = lendable(heard)
  await state.members.save([])
  await state.lend()
  await state.members.save([])
  await state.takeBack()
  await state.members.save([])
  await state.close()
  await state.members.save([])
  assert.deepEqual(heard, ['0 answers', 'closed', 'opened', '0 answers', 'closed'])
})

test('a state that is taken back while it is still being given away comes back after that', async () => {
  const heard: string[] = []
  const kept = keptState(heard)
  let written!: () => void
  const slow = { ...kept.overrides, save: () => new Promise<void>((done) => (written = done)) }
  const state = new LendableState({ ...kept, overrides: slow }, null, async () => {
    heard.push('opened')
    return keptState(heard)
  })
  const saving = state.overrides.save([])
  const lending = state.lend()
  const back = state.takeBack()
  const next = state.failover.save({ web: record(4) })
  await new Promise(setImmediate)
  assert.deepEqual(heard, [])
  written()
  await Promise.all([saving, lending, back, next])
  assert.deepEqual(heard, ['closed', 'opened', 'saved {"web":{"epoch":4}}'])
})

test('the memory passes on, and the higher epoch counts', async () => {
  const old = new LendableState(keptState([], false), null, async () => keptState([], false))
  await old.failover.save({ web: record(7), db: record(2) })
  const { memory } = old
  assert.deepEqual(memory, { pools: { web: record(7), db: record(2) }, overrides: [] })
  const next = new LendableState(keptState([], false), memory, async () => keptState([], false))
  assert.deepEqual(next.failover.loaded.pools, { web: record(7), db: record(2) })
  const behind = { pools: { web: record(1) }, overrides: [] }
  const other = new LendableState(keptState([]), behind, async () => keptState([]))
  assert.deepEqual(other.failover.loaded.pools, { web: record(3) })
})

test('a successor claims nothing before it has taken over, and waits until its predecessor has left', async () => {
  const heard: string[] = []
  const store = {
    claim: (pool: string) => heard.push(`claim ${pool}`),
    stopped: (pool: string) => heard.push(`stopped ${pool}`),
  } as unknown as FailoverStore
  let over!: () => void
  let fenced!: () => void
  const predecessor = {
    isOver: new Promise<void>((done) => (over = done)),
    fence: (pool: string) => {
      heard.push(`fence ${pool}`)
      return new Promise<void>((done) => (fenced = done))
    },
  }
  const after = afterPredecessor(store, predecessor, (pool) => pool === 'db')
  after.claim('db', record(1), () => {})
  await new Promise(setImmediate)
  assert.deepEqual(heard, [])
  over()
  await new Promise(setImmediate)
  after.stopped('sites', 1, () => {})
  after.stopped('db', 1, () => {})
  await new Promise(setImmediate)
  assert.deepEqual(heard, ['claim db', 'fence db', 'stopped sites'])
  fenced()
  await new Promise(setImmediate)
  assert.equal(heard.at(-1), 'stopped db')
})

test('a successor that knows of no active has its predecessor leave the one it may have', async () => {
  const heard: string[] = []
  const store = {
    claim: (pool: string) => heard.push(`claim ${pool}`),
  } as unknown as FailoverStore
  let fenced!: () => void
  const predecessor = {
    isOver: Promise.resolve(),
    fence: (pool: string) => {
      heard.push(`fence ${pool}`)
      return new Promise<void>((done) => (fenced = done))
    },
  }
  const after = afterPredecessor(store, predecessor, (pool) => pool === 'db')
  const first: FailoverRecord = { ...record(1), active: null, movingTo: 'b' }
  after.claim('sites', first, () => {})
  after.claim('db', first, () => {})
  await new Promise(setImmediate)
  assert.deepEqual(heard, ['fence db', 'claim sites'])
  fenced()
  await new Promise(setImmediate)
  assert.equal(heard.at(-1), 'claim db')
  // From one that it knows, the move itself stops it.
  after.claim('db', { ...record(2), active: 'b', movingTo: 'a' }, () => {})
  await new Promise(setImmediate)
  assert.deepEqual(heard.slice(2), ['claim db', 'claim db'])
})
