import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Member } from '../../../src/core/membership.ts'
import type { KeptAnswer, MemberStore } from '../../../src/ha/member-file.ts'
import { openMembers, readAnswers, writeAnswers } from '../../../src/ha/member-file.ts'
import { openStateDir } from '../../../src/ha/state-dir.ts'
import { temporaryFolder } from '../../support/processes.ts'

const source = { kind: 'dns', name: 'api.internal', type: 'address', port: 80, servers: [] }

function memberAt(host: string, changes: Partial<Member> = {}): Member {
  return { name: host, address: { kind: 'tcp', host, port: 80 }, weight: 1, zone: null, ...changes }
}

const SAMPLE: readonly KeptAnswer[] = [
  {
    pool: 'web',
    source,
    at: 1_000,
    members: [
      memberAt('10.0.0.1'),
      memberAt('fd00::1', { weight: 0, zone: 'seoul-1' }),
      memberAt('local', { address: { kind: 'unix', path: '/run/local.sock' } }),
    ],
  },
]

/** Opens the directory, works with it and closes it. */
async function within<T>(dir: string, work: (store: MemberStore) => Promise<T>): Promise<T> {
  const state = await openStateDir(dir)
  try {
    return await work(await openMembers(state))
  } finally {
    await state.close()
  }
}

const loadedOf = (dir: string): Promise<MemberStore['loaded']> =>
  within(dir, async ({ loaded }) => loaded)

test('what is saved is read again, and without a directory nothing is kept', async () => {
  const dir = temporaryFolder('members')
  assert.deepEqual(await loadedOf(dir), { answers: [], warnings: [] })
  await within(dir, (store) => store.save(SAMPLE))
  assert.deepEqual(await loadedOf(dir), { answers: SAMPLE, warnings: [] })
  const memory = await openMembers(null)
  await memory.save(SAMPLE)
  assert.deepEqual(memory.loaded, { answers: [], warnings: [] })
})

test('a file that can not be used is a warning, and is written over', async () => {
  const dir = temporaryFolder('members')
  const path = join(dir, 'members.json')
  const advice =
    'It holds what discovery was told last, which is not used now; it is written anew with the next answer'
  for (const [text, why] of [
    ['{"version":1', `is damaged, and there is no whole ${path}.old to go back to`],
    [
      '{"version":2,"answers":[]}',
      "is not a state of Evenkeel's: version: Invalid input: expected 1",
    ],
    [
      '[]',
      "is not a state of Evenkeel's: its content: Invalid input: expected object, received array",
    ],
  ] as const) {
    writeFileSync(path, text)
    const { answers, warnings } = await loadedOf(dir)
    assert.deepEqual(answers, [])
    assert.deepEqual(warnings, [`the state file ${path} ${why}. ${advice}`])
  }
  await within(dir, (store) => store.save(SAMPLE))
  assert.deepEqual((await loadedOf(dir)).answers, SAMPLE)
})

test('a damaged file gives way to the one before, with a warning', async () => {
  const dir = temporaryFolder('members')
  const path = join(dir, 'members.json')
  await within(dir, async (store) => {
    await store.save(SAMPLE)
    await store.save([])
  })
  writeFileSync(path, readFileSync(path, 'utf8').slice(0, 10))
  assert.deepEqual(await loadedOf(dir), {
    answers: SAMPLE,
    warnings: [`${path} is damaged; going on from ${path}.old, the state before it`],
  })
})

test('what is no member is not read as one', () => {
  const [answer] = SAMPLE
  const wrong: readonly object[] = [
    memberAt('10.0.0.1', { weight: 1.5 }),
    memberAt('10.0.0.1', { weight: 65_536 }),
    memberAt('10.0.0.1', { name: '' }),
    memberAt('10.0.0.1', { address: { kind: 'unix', path: '' } }),
    { ...memberAt('10.0.0.1'), address: { kind: 'tcp', host: '10.0.0.1', port: 0 } },
  ]
  for (const member of wrong) {
    const text = JSON.stringify({ version: 1, answers: [{ ...answer, members: [member] }] })
    assert.equal(readAnswers(text).kind, 'foreign', JSON.stringify(member))
  }
})

test('the file is bounded: sources for which there is no room are left out', () => {
  const many = Array.from({ length: 10_000 }, (_, i) => {
    return memberAt(`10.1.${i >> 8}.${i & 255}`)
  })
  const answers = ['a', 'b', 'c', 'd'].map((pool): KeptAnswer => {
    const members = pool === 'b' ? many.slice(0, 9_999) : pool === 'd' ? many.slice(0, 1) : many
    return { pool, source, at: 1, members }
  })
  const read = readAnswers(writeAnswers(answers))
  assert.ok(read.kind === 'state')
  assert.deepEqual(
    read.value.map(({ pool }) => pool),
    ['a', 'b', 'd'],
  )
})
