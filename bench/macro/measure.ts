// What a process costs: CPU time and memory of it and all its children, from /proc.

import { readFileSync, readdirSync } from 'node:fs'
import { execFileSync } from 'node:child_process'

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** CPU time used so far by a process and its children, all threads, in ms; 10 ms steps. */
export function cpuMs(pid: number): number {
  let ticks = 0
  for (const member of withChildren(pid)) {
    // Fields 14 and 15, counted after the name, which may hold spaces and brackets.
    const stat = readFileSync(`/proc/${member}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return (ticks * 1_000) / ticksPerSecond
}

/** Time a CPU has been busy so far, with whatever, in ms. */
export function busyMs(cpu: number): number {
  const line = readFileSync('/proc/stat', 'utf8').match(new RegExp(`^cpu${cpu} (.*)$`, 'm'))
  const [user, nice, system, , , irq, softirq] = (line?.[1] ?? '').trim().split(' ').map(Number)
  return (
    ([user, nice, system, irq, softirq].reduce((sum, part) => sum! + part!, 0)! * 1_000) /
    ticksPerSecond
  )
}

/** Memory of a process and its children in KiB; what they share is counted once. */
export function memoryKib(pid: number): number {
  let kib = 0
  for (const member of withChildren(pid)) {
    const rollup = readFileSync(`/proc/${member}/smaps_rollup`, 'utf8')
    kib += Number(/^Pss: +(\d+)/m.exec(rollup)?.[1] ?? 0)
  }
  return kib
}

/** The middle one; the mean of the middle two. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
  return (upper + lower) / 2
}

function withChildren(pid: number): readonly number[] {
  const found = [pid]
  for (const member of found) {
    for (const thread of readdirSync(`/proc/${member}/task`)) {
      const children = readFileSync(`/proc/${member}/task/${thread}/children`, 'utf8')
      for (const child of children.split(' ')) if (child.trim() !== '') found.push(Number(child))
    }
  }
  return found
}
