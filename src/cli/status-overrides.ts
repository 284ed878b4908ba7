// What operators have changed about a pool while it runs, as lines of the status.

import type { PoolStatus, Signature } from '../core/status.ts'
import { formatAge } from './age.ts'

/** Weights, added and removed backends; who was taken out says so in its own row. `nowMs`: wall clock. */
export function overrideLines({ backends, removed }: PoolStatus, nowMs: number): string[] {
  const changed = backends.flatMap(({ name, override }) => {
    const lines: string[] = []
    if (override?.added != null) lines.push(`${name} was added ${signed(override.added, nowMs)}`)
    if (override?.weight != null) {
      const { text } = override.weight
      lines.push(`weight of ${name} was set to ${text} ${signed(override.weight, nowMs)}`)
    }
    return lines
  })
  return [...changed, ...removed.map((one) => `${one.name} was removed ${signed(one, nowMs)}`)]
}

function signed({ by, at, reason }: Signature, nowMs: number): string {
  const why = reason === '' ? '' : `: ${reason}`
  return `by ${by} ${formatAge(Math.max(0, nowMs - at))} ago${why}`
}
