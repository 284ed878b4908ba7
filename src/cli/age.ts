// How long ago, for people.

/** From the largest down, in milliseconds. */
export const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** `12s`, `3m`, `5h`, `2d`: the largest unit that fits. */
export function formatAge(ms: number): string {
  for (const [unit, size] of UNITS) if (ms >= size) return `${Math.floor(ms / size)}${unit}`
  return '0s'
}
