// Lengths, shares and times of a report, for people. Shares are cut, never rounded up: what is not
// quite 100 % never reads as 100 %.

import { UNITS } from './age.ts'

/** `340 ms`, `4.2 s`, `20 m 10 s`, `29 d 23 h`; `-` for `null`. */
export function lengthText(ms: number | null): string {
  if (ms === null) return '-'
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`
  const at = UNITS.findIndex(([, size]) => ms >= size)
  const [unit, size] = UNITS[at]!
  const [smaller, smallerSize] = UNITS[at + 1]!
  const rest = Math.floor((ms % size) / smallerSize)
  return `${Math.floor(ms / size)} ${unit}${rest > 0 ? ` ${rest} ${smaller}` : ''}`
}

/** The same with whole milliseconds up to a minute: `1.204 s`. */
export function momentText(ms: number): string {
  return ms >= 1_000 && ms < 60_000 ? `${(Math.round(ms) / 1_000).toFixed(3)} s` : lengthText(ms)
}

/** `99.953 %`, cut; `-` for `null`. */
export function shareText(share: number | null): string {
  if (share === null) return '-'
  if (share >= 1) return '100 %'
  const digits = share > 0.99999 ? 5 : 3
  const scale = 10 ** digits
  // 0.999 × 100 is a little less than 99.9 in binary.
  return `${Number((Math.floor(share * 100 * scale + 1e-4) / scale).toFixed(digits))} %`
}

/** `3.2`; `-` where nothing failed. */
export function ninesText(nines: number | null): string {
  return nines === null ? '-' : nines.toFixed(1)
}

/** `2026-11-21 10:15:03Z`. */
export function timeText(at: number): string {
  return `${isoOf(at).slice(0, 19).replace('T', ' ')}Z`
}

/** `10:15:03.120`. */
export function clockText(at: number): string {
  return isoOf(at).slice(11, 23)
}

// Times that a hand has written into a file may be none.
function isoOf(at: number): string {
  return Number.isFinite(at) && Math.abs(at) < 8.64e15
    ? new Date(at).toISOString()
    : '????-??-??T??:??:??.???Z'
}
