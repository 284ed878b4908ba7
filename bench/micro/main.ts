// Times hot functions one by one: warms each case up, then takes many short rounds and prints the
// median cost of one operation and the spread of the middle half of the rounds.
//   npm run bench:micro [name-part …]
// A module beside this one takes part by exporting `cases`. The figures say what a change did on
// one machine; they are never a pass or a fail.

import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** One thing to time. */
export interface MicroCase {
  readonly name: string
  /** Does the operation `iterations` times. */
  run(iterations: number): void
}

const WARM_UP_MS = 200
const ROUND_MS = 10
const ROUNDS = 41

function timeMs(one: MicroCase, iterations: number): number {
  const started = performance.now()
  one.run(iterations)
  return performance.now() - started
}

/** Doubles the iterations until they fill a round; warms the code up on the way. */
function iterationsPerRound(one: MicroCase): number {
  const warmUntil = performance.now() + WARM_UP_MS
  let iterations = 16
  for (;;) {
    const ms = timeMs(one, iterations)
    if (ms < ROUND_MS / 2) iterations *= 2
    else if (performance.now() > warmUntil) return Math.ceil((iterations * ROUND_MS) / ms)
  }
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.round((sorted.length - 1) * q)]!
}

function report(one: MicroCase): void {
  const iterations = iterationsPerRound(one)
  const rounds: number[] = []
  for (let i = 0; i < ROUNDS; i++) rounds.push((timeMs(one, iterations) * 1e6) / iterations)
  rounds.sort((a, b) => a - b)
  const [low, median, high] = [0.25, 0.5, 0.75].map((q) => quantile(rounds, q).toFixed(1))
  console.log(`${one.name.padEnd(58)} ${median!.padStart(9)} ns/op   ${low}–${high}`)
}

const here = dirname(fileURLToPath(import.meta.url))
const parts = process.argv.slice(2)
for (const file of readdirSync(here).sort()) {
  if (!file.endsWith('.js') || file === 'main.js') continue
  const module = (await import(pathToFileURL(join(here, file)).href)) as { cases?: MicroCase[] }
  for (const one of module.cases ?? []) {
    if (parts.length === 0 || parts.some((part) => one.name.includes(part))) report(one)
  }
}
