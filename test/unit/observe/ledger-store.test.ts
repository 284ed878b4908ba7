import assert from 'node:assert/strict'
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type {
  ActionRecord,
  IncidentRecord,
  LedgerRecord,
  SpanRecord,
} from '../../../src/core/ledger-contract.ts'
import { inspectLedger, readLedger } from '../../../src/observe/ledger-files.ts'
import { readLine, writeLine } from '../../../src/observe/ledger-lines.ts'
import type { LedgerFileOptions } from '../../../src/observe/ledger-store.ts'
import { LedgerFile, LedgerMemory } from '../../../src/observe/ledger-store.ts'
import { waitFor } from '../../support/wait.ts'

const NOW = Date.UTC(2026, 10, 1)

function newPath(): string {
  return join(mkdtempSync(join(tmpdir(), 'evenkeel-ledger-')), 'ledger.jsonl')
}

function action(n: number, reason = 'because'): ActionRecord {
  const who = { pool: null, backend: null, verb: `v${n}`, by: 'kim', outcome: 'done' }
  return { kind: 'action', at: NOW + n, ...who, reason }
}

function span(run: number, ms: number): SpanRecord {
  return { kind: 'span', run, n: 1, at: NOW, toAt: NOW + ms, ms, pools: {}, leftOut: 0 }
}

function openFile(path: string, more: Partial<LedgerFileOptions> = {}): LedgerFile {
  const options = { path, run: 1, keepMs: 1e12, bytesMax: 1e9, wallMs: () => NOW }
  const failed = (message: string) => assert.fail(message)
  const recovered = () => assert.fail('it had not failed')
  return new LedgerFile({ ...options, failed, recovered, head: () => [], ...more }, NOW, [])
}

async function readAll(path: string): Promise<{ records: LedgerRecord[]; damaged: number }> {
  const damage = { lines: 0 }
  const records: LedgerRecord[] = []
  for await (const record of readLedger(path, damage)) records.push(record)
  return { records, damaged: damage.lines }
}

test('what was appended is read again, in order, after a checkpoint or without one', async () => {
  const path = newPath()
  const file = openFile(path)
  const records = Array.from({ length: 50 }, (_, i) => action(i, `reason "${i}" \\ ü 漢 \u2028`))
  for (const record of records) file.append([record])
  await file.close()
  assert.deepEqual(await readAll(path), { records, damaged: 0 })
})

test('each line is JSON by itself', async () => {
  const path = newPath()
  const file = openFile(path)
  file.append([action(1)])
  await file.close()
  const { sum, ...record } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  assert.match(String(sum), /^[0-9a-f]{8}$/)
  assert.deepEqual(record, action(1))
})

test('only the owner may read the files', async () => {
  const path = newPath()
  const file = openFile(path)
  file.append([action(1)])
  await file.checkpoint([span(1, 5)])
  const modes = ['ledger.jsonl', 'ledger-open-1.jsonl'].map((name) => {
    return statSync(join(path, '..', name)).mode & 0o777
  })
  await file.close()
  assert.deepEqual(modes, [0o600, 0o600])
})

test('half a line at the end is dropped and said, and what comes after it is not lost with it', async () => {
  const path = newPath()
  const first = openFile(path)
  first.append([action(1), action(2)])
  await first.close()
  truncateSync(path, statSync(path).size - 20)
  assert.deepEqual(await readAll(path), { records: [action(1)], damaged: 1 })
  const second = openFile(path)
  second.append([action(3)])
  await second.close()
  assert.deepEqual(await readAll(path), { records: [action(1), action(3)], damaged: 1 })
})

test('a last line that lacks nothing but its newline counts', async () => {
  const path = newPath()
  writeFileSync(path, writeLine(action(1)) + writeLine(action(2)).trimEnd())
  assert.deepEqual(await readAll(path), { records: [action(1), action(2)], damaged: 0 })
})

test('torn, garbled and doubled lines cost themselves and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(1_000), { minLength: 1, maxLength: 20 }),
      fc.nat(),
      fc.constantFrom('flip', 'cut', 'insert', 'double', 'nul', 'binary'),
      async (numbers, place, how) => {
        const path = newPath()
        const lines = numbers.map((n) => writeLine(action(n)))
        const at = place % lines.length
        const line = lines[at]!
        const middle = place % (line.length - 2)
        const harmed = {
          flip: line.slice(0, middle) + (line[middle] === 'x' ? 'y' : 'x') + line.slice(middle + 1),
          cut: `${line.slice(0, middle)}\n`,
          insert: `${line.slice(0, middle)}{"kind":"start"}${line.slice(middle)}`,
          double: line + line,
          nul: `${'\0'.repeat(middle)}\n`,
          binary: '\uFFFD\u0000\u0007{"sum":"00000000","kind":"span"}\n',
        }[how]
        writeFileSync(path, [...lines.slice(0, at), harmed, ...lines.slice(at + 1)].join(''))
        const { records, damaged } = await readAll(path)
        const expected = numbers.flatMap((n, i) => {
          if (i !== at) return [action(n)]
          return how === 'double' ? [action(n), action(n)] : []
        })
        assert.deepEqual(records, expected)
        const isEmpty = harmed.trim() === '' && !harmed.includes('\0')
        assert.equal(damaged, how === 'double' || isEmpty ? 0 : 1)
      },
    ),
    { numRuns: 60 },
  )
})

test('a line with a right checksum and wrong content is no record', () => {
  const wrong: unknown[] = [
    { kind: 'span', run: 1, at: NOW },
    { ...span(1, 5), ms: -5 },
    { ...span(1, 5), pools: { web: { times: [1, 2], counts: {}, backends: {} } } },
    { ...span(1, 5), pools: { web: null } },
    { kind: 'incident', id: '1-1', rev: 1, pool: 'web', at: NOW, ms: 5, stages: null, outages: [] },
    {
      kind: 'incident',
      id: '1-1',
      rev: 1,
      pool: 'web',
      at: NOW,
      ms: 5,
      stages: [null],
      outages: [],
    },
    { kind: 'something', at: NOW },
    { kind: 'start', run: 1, at: null },
    { kind: 'pool', at: NOW, pool: 'web', backends: 'a' },
  ]
  for (const one of wrong) {
    assert.equal(readLine(writeLine(one as LedgerRecord).trimEnd()), null, JSON.stringify(one))
  }
})

test('a full file becomes an archive, and the new one can be read without it', async () => {
  const path = newPath()
  const head = () => [action(-1, 'head')]
  const file = openFile(path, { bytesMax: 800_000, head })
  const long = 'r'.repeat(5_000)
  for (let i = 0; i < 60; i++) {
    file.append([action(i, long)])
    await file.checkpoint([])
  }
  await file.close()
  const names = readdirSync(join(path, '..')).sort()
  assert.deepEqual(names, ['ledger-000001.jsonl', 'ledger-000002.jsonl', 'ledger.jsonl'])
  assert.deepEqual(readLine(readFileSync(path, 'utf8').split('\n')[0]!), action(-1, 'head'))
  const { records, damaged } = await readAll(path)
  assert.equal(damaged, 0)
  const own = records.filter((record) => record.kind === 'action' && record.reason !== 'head')
  assert.deepEqual(
    own,
    Array.from({ length: 60 }, (_, i) => action(i, long)),
  )
})

test('the oldest archives go when there is too much, or when they are too old', async () => {
  const path = newPath()
  const file = openFile(path, { bytesMax: 600_000 })
  const long = 'r'.repeat(20_000)
  for (let i = 0; i < 100; i++) {
    file.append([action(i, long)])
    await file.checkpoint([])
  }
  await file.close()
  const names = readdirSync(join(path, '..'))
  const bytes = names.reduce((sum, name) => sum + statSync(join(path, '..', name)).size, 0)
  assert.ok(bytes < 750_000, `${bytes} bytes in ${names.length} files`)
  assert.deepEqual((await readAll(path)).records.at(-1), action(99, long))
  // A year later the next line ends the old file, and archives older than that are gone.
  const later = openFile(path, { keepMs: 1_000, wallMs: () => Date.now() + 3e10 })
  later.append([action(100)])
  await later.close()
  assert.deepEqual(readdirSync(join(path, '..')), ['ledger.jsonl'])
  assert.deepEqual((await readAll(path)).records, [action(100)])
})

test('a disk without room loses nothing that was written, and what waits is written later', async () => {
  const path = newPath()
  const said: string[] = []
  const full = openFile('/dev/full', { failed: (message) => said.push(message) })
  full.append([action(1)])
  full.append([action(2)])
  await full.close()
  assert.equal(said.length, 1)
  assert.match(said[0]!, /ENOSPC/)
  // A folder that is not there yet is a disk that can't be written: it comes back.
  const folder = join(path, '..')
  renameSync(folder, `${folder}-away`)
  writeFileSync(folder, '')
  const file = openFile(path, {
    failed: (message) => said.push(message),
    recovered: () => said.push('recovered'),
  })
  file.append([action(1)])
  await file.checkpoint([])
  await file.checkpoint([])
  assert.equal(said.length, 2)
  renameSync(folder, `${folder}-file`)
  renameSync(`${folder}-away`, folder)
  file.append([action(2)])
  await file.checkpoint([])
  await file.close()
  assert.deepEqual(said.slice(2), ['recovered'])
  assert.deepEqual(await readAll(path), { records: [action(1), action(2)], damaged: 0 })
})

test('a line that comes while the file is synced is written after it, without another one', async (t) => {
  const path = newPath()
  const file = openFile(path)
  const handle = await open('/dev/null')
  const datasync: (this: FileHandle) => Promise<void> = Reflect.get(handle, 'datasync')
  await handle.close()
  let release: (() => void) | null = null
  t.mock.method(
    Object.getPrototypeOf(handle) as FileHandle,
    'datasync',
    async function (this: FileHandle) {
      await new Promise<void>((resolve) => (release = resolve))
      return datasync.call(this)
    },
  )
  file.append([action(1)])
  const done = await waitFor(() => release)
  file.append([action(2)])
  t.mock.restoreAll()
  done()
  await waitFor(async () => (await readAll(path)).records.length === 2, { timeoutMs: 2_000 })
  await file.close()
})

test('who reads gets all that was handed over, written or not, and what comes meanwhile', async () => {
  const path = newPath()
  const file = openFile(path)
  file.append([action(1)])
  file.append([action(2)])
  const seen = new Set<string>()
  for await (const record of file.read({ lines: 0 })) {
    if (seen.size === 0) file.append([action(3)])
    seen.add((record as ActionRecord).verb)
  }
  assert.deepEqual([...seen], ['v1', 'v2', 'v3'])
  await file.close()
})

test('who reads while the disk is full gets what waits for room, too', async (t) => {
  const path = newPath()
  const said: string[] = []
  const file = openFile(path, { failed: (message) => said.push(message), recovered: () => {} })
  file.append([action(1)])
  await file.checkpoint([])
  const handle = await open('/dev/null')
  const proto = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  t.mock.method(proto, 'writeFile', () => Promise.reject(new Error('ENOSPC: no space left')))
  file.append([action(2)])
  const records: LedgerRecord[] = []
  for await (const record of file.read({ lines: 0 })) records.push(record)
  assert.deepEqual([records, said], [[action(1), action(2)], ['ENOSPC: no space left']])
  t.mock.restoreAll()
  await file.close()
})

test('a head that is larger than a file may be is written once per file, and not per line', async () => {
  const path = newPath()
  const head = () => Array.from({ length: 100 }, (_, i) => action(-i, 'h'.repeat(1_000)))
  const file = openFile(path, { bytesMax: 600_000, head })
  for (let i = 0; i < 40; i++) {
    file.append([action(i, 'r'.repeat(5_000))])
    await file.checkpoint([])
  }
  await file.close()
  const names = readdirSync(join(path, '..')).sort()
  assert.deepEqual(names, ['ledger-000001.jsonl', 'ledger-000002.jsonl', 'ledger.jsonl'])
})

test('what waits in vain is bounded, and counted', async () => {
  const file = openFile('/dev/full', { failed: () => {} })
  const long = 'r'.repeat(100_000)
  for (let i = 0; i < 30; i++) file.append([action(i, long)])
  assert.ok(file.lost >= 19 && file.lost < 30, `${file.lost} lost`)
  await file.close()
})

test('a file that was taken away is begun anew with its head', async () => {
  const path = newPath()
  const file = openFile(path, { head: () => [action(-1, 'head')] })
  file.append([action(1)])
  await file.checkpoint([])
  renameSync(path, `${path}.elsewhere`)
  await file.checkpoint([])
  file.append([action(2)])
  await file.close()
  assert.deepEqual((await readAll(path)).records, [action(-1, 'head'), action(2)])
})

test('what a killed process was about is found in its checkpoint, and cleared once it is kept', async () => {
  const path = newPath()
  const first = openFile(path, { run: 7 })
  first.append([{ kind: 'start', run: 7, at: NOW, version: '1', before: 'first', lastAt: null }])
  await first.checkpoint([span(7, 60_000)])
  const found = await inspectLedger(path)
  const unfinished = `${found.checkpoints[0]!}.new`
  writeFileSync(unfinished, '{"kind"')
  assert.deepEqual(
    [found.run, found.lastAt, found.stopped, found.rescued],
    [7, NOW + 60_000, false, [span(7, 60_000)]],
  )
  const options = { path, run: 8, keepMs: 1e12, bytesMax: 1e9, wallMs: () => NOW }
  const ports = {
    failed: (message: string) => assert.fail(message),
    recovered: () => {},
    head: () => [],
  }
  const second = new LedgerFile({ ...options, ...ports }, NOW, found.checkpoints)
  second.append(found.rescued)
  await second.checkpoint([])
  assert.equal(existsSync(found.checkpoints[0]!), false)
  assert.equal(existsSync(unfinished), false)
  await second.close()
  assert.deepEqual((await inspectLedger(path)).rescued, [])
  assert.deepEqual((await readAll(path)).records.at(-1), span(7, 60_000))
})

test('a process that ended as told is told from one that was killed', async () => {
  const path = newPath()
  const file = openFile(path, { run: 3 })
  file.append([
    { kind: 'start', run: 3, at: NOW, version: '1', before: 'first', lastAt: null },
    { kind: 'stop', run: 3, at: NOW + 5 },
  ])
  await file.close()
  const { run, stopped, lastAt } = await inspectLedger(path)
  assert.deepEqual([run, stopped, lastAt], [3, true, NOW + 5])
})

test('a clock that was set makes no open incident longer, and no gap shorter', async () => {
  const day = 86_400_000
  for (const step of [day, -day]) {
    const path = newPath()
    const file = openFile(path)
    const [from, end] = [NOW + 5_000, NOW + step + 10_000]
    file.append([
      { kind: 'start', run: 1, at: NOW - 1, version: '1', before: 'first', lastAt: null },
      openIncident(1, 1_000),
      { kind: 'clock', run: 1, from, at: from + step },
      openIncident(2, 7_000),
      { ...span(1, 5_000), at: from + step, toAt: end },
    ])
    await file.checkpoint([])
    const { lastAt, open } = await inspectLedger(path)
    assert.deepEqual([lastAt, open.map(({ ms }) => ms)], [end, [10_000]])
    await file.close()
  }
})

function openIncident(rev: number, ms: number): IncidentRecord {
  const about = { id: '1-1', rev, pool: 'web', backend: null, parent: null, at: NOW, ms }
  const state = { trouble: 'outage', cause: '', open: true, relapses: 0, rtoMs: null } as const
  const lengths = { gapMs: 0, leftOutMs: 0, stagesLeftOut: 0, outagesLeftOut: 0 }
  const counts = { requests: 0, failed: 0, retried: 0, rescued: 0, unknown: 0 }
  const fault = { name: 'fault', at: NOW, ms: 0, note: '', counts, exact: true } as const
  const lists = { stages: [fault], outages: [], moves: [], actions: [] }
  return { kind: 'incident', ...about, ...state, ...lengths, ...lists }
}

test('a file that becomes an archive while it is read is read all the same', async () => {
  const path = newPath()
  const archive = (n: number) => path.replace('.jsonl', `-00000${n}.jsonl`)
  writeFileSync(archive(1), writeLine(action(1)))
  writeFileSync(path, writeLine(action(2)))
  const numbers: number[] = []
  for await (const record of readLedger(path, { lines: 0 })) {
    numbers.push(record.at - NOW)
    if (numbers.length > 1) continue
    renameSync(path, archive(2))
    writeFileSync(path, writeLine(action(3)))
  }
  assert.deepEqual(new Set(numbers), new Set([1, 2, 3]))
})

test('a file of another kind is skipped line by line', async () => {
  const path = newPath()
  writeFileSync(path, 'a: 1\nb: 2\n')
  appendFileSync(path, writeLine(action(1)))
  const { records, damaged } = await readAll(path)
  assert.deepEqual([records, damaged], [[action(1)], 2])
})

test('memory keeps the latest records', async () => {
  const memory = new LedgerMemory()
  memory.append(Array.from({ length: 12_000 }, (_, i) => action(i)))
  const records: LedgerRecord[] = []
  for await (const record of memory.read()) records.push(record)
  assert.deepEqual([records.length, records[0]], [10_000, action(2_000)])
})
