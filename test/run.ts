// Runs a set of compiled test files under node:test and sums them up in one closing line.
//   node dist/test/run.js fast | system | long [name-part …]
// A file belongs to `system` or `long` by its folder; everything else is `fast`. Tests in `system/load`
// put load on the machine, those in `system/hosts` have hosts of their own and mostly wait.

import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PassThrough } from 'node:stream'
import { run } from 'node:test'
import type { EventData } from 'node:test'
import { spec } from 'node:test/reporters'
import type { TestEvent } from 'node:test/reporters'

const here = dirname(fileURLToPath(import.meta.url))
const [set = 'fast', ...parts] = process.argv.slice(2)
if (!['fast', 'system', 'long'].includes(set)) {
  console.error(`unknown test set '${set}': use fast, system or long`)
  process.exit(2)
}

const files = readdirSync(here, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => {
    const folder = name.split('/')[0]
    return folder === 'system' || folder === 'long' ? folder === set : set === 'fast'
  })
  .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))
  .map((name) => join(here, name))
  .sort()
if (files.length === 0) {
  console.error(`no test file of set '${set}' matches ${parts.join(' ')}`)
  process.exit(1)
}

const started = performance.now()
const failed: string[] = []
let passed = 0
let skipped = 0
// A test that never ends is a failure soon, not a hang.
const timeout = { fast: 90_000, system: 600_000, long: 3_600_000 }[set]!
// One for each core that there always is: what waits for a CPU is late.
const atOnce = { fast: 2, system: 2, long: 1 }[set]!

type Kind = 'load' | 'hosts' | 'other'
const kindOf = (file: string): Kind => {
  const [, kind] = relative(here, file).split('/')
  return set === 'system' && (kind === 'load' || kind === 'hosts') ? kind : 'other'
}
const waiting = { load: [] as string[], hosts: [] as string[], other: [] as string[] }
for (const file of files) waiting[kindOf(file)].push(file)
const running: Kind[] = []

// Some measure what they wait for: of those that put load on the machine one file runs at a time, and
// of those with hosts of their own one once the load is over.
function next(): string | undefined {
  const isQuiet = !running.includes('load') && !running.includes('hosts')
  if (isQuiet && waiting.load.length > 0) return waiting.load.shift()
  if (isQuiet && waiting.hosts.length > 0) return waiting.hosts.shift()
  return waiting.other.shift()
}

const events = new PassThrough({ objectMode: true })
const report = events.compose(new spec())
report.pipe(process.stdout, { end: false })

/** Runs one file after the other while there is one that may run now. */
async function runSome(): Promise<void> {
  for (let file = next(); file !== undefined; file = next()) {
    const kind = kindOf(file)
    running.push(kind)
    await runFile(file)
    running.splice(running.indexOf(kind), 1)
  }
}

/** Runs a file and counts what came of it; its report follows in one piece. */
async function runFile(file: string): Promise<void> {
  const told: TestEvent[] = []
  for await (const event of run({ files: [file], timeout }) as AsyncIterable<TestEvent>) {
    if (event.type === 'test:pass') countPass(event.data)
    if (event.type === 'test:fail') countFail(event.data)
    // What it sums up is not of the whole set.
    const isSum = event.type === 'test:diagnostic' && event.data.file === undefined
    if (!isSum) told.push(event)
  }
  for (const event of told) events.write(event)
}

function countPass({ name, skip, details }: EventData.TestPass): void {
  if (details.type === 'suite' || name.endsWith('.test.js')) return
  if (skip === undefined) passed++
  else skipped++
}

function countFail({ name, file = '', details }: EventData.TestFail): void {
  // A test fails with its subtests; those are counted already.
  const error = details.error as { failureType?: string } | undefined
  if (error?.failureType !== 'subtestsFailed') failed.push(`${relative(here, file)}: ${name}`)
}

await Promise.all(Array.from({ length: atOnce }, runSome))
events.end()
// The summary waits for the reporter, not for the tests: its closing line must be the last one.
await once(report, 'end')
const seconds = ((performance.now() - started) / 1000).toFixed(1)
console.log(`\n${set}: ${files.length} files in ${seconds} s`)
for (const name of failed) console.log(`  failed: ${name}`)
console.log(`${passed} passed, ${failed.length} failed, ${skipped} skipped`)
process.exitCode = failed.length > 0 || passed === 0 || (skipped > 0 && set === 'system') ? 1 : 0
