// Runs a set of compiled test files under node:test and sums them up in one closing line.
//   node dist/test/run.js fast | system | long [name-part …]
// A file belongs to `system` or `long` by its folder; everything else is `fast`. Tests in `system/load`
// put load on the machine, those in `system/hosts` have hosts of their own and mostly wait.

import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

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

// System tests share real servers and two cores: those that put load on them run one file at a time,
// beside them one of the others, which mostly wait; those with hosts of their own at the end, when
// most of the load is over.
const isOf = (kind: string, file: string): boolean => relative(here, file).startsWith(kind)
const isLoad = (file: string): boolean => isOf('system/load/', file)
const isHosts = (file: string): boolean => isOf('system/hosts/', file)
const rest = files.filter((file) => !isLoad(file) && !isHosts(file))
const lanes =
  set === 'system' ? [[...rest, ...files.filter(isHosts)], files.filter(isLoad)] : [files]

/** Runs files one after another, or two at a time, and counts what came of them. */
async function runLane(lane: readonly string[]): Promise<void> {
  if (lane.length === 0) return
  const stream = run({ files: [...lane], concurrency: set === 'fast' ? 2 : 1, timeout })
  stream.on('test:pass', (event) => {
    if (event.details.type === 'suite' || event.name.endsWith('.test.js')) return
    if (event.skip === undefined) passed++
    else skipped++
  })
  stream.on('test:fail', (event) => {
    // A test fails with its subtests; those are counted already.
    const error = event.details.error as { failureType?: string } | undefined
    if (error?.failureType === 'subtestsFailed') return
    failed.push(`${relative(here, event.file ?? '')}: ${event.name}`)
  })
  // The summary waits for the reporter, not for the tests: its closing line must be the last one.
  const report = stream.compose(new spec())
  report.pipe(process.stdout, { end: false })
  await once(report, 'end')
}

await Promise.all(lanes.map(runLane))
const seconds = ((performance.now() - started) / 1000).toFixed(1)
console.log(`\n${set}: ${files.length} files in ${seconds} s`)
for (const name of failed) console.log(`  failed: ${name}`)
console.log(`${passed} passed, ${failed.length} failed, ${skipped} skipped`)
process.exitCode = failed.length > 0 || passed === 0 || (skipped > 0 && set === 'system') ? 1 : 0
