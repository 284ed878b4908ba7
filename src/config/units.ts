// Quantities as people write them: durations, sizes, shares, counts. Text in, number in the plan's
// unit out, or a sentence that says what was read and what is accepted. Knows no key and no default.

/** A value that was understood, or why it was not. */
export type Reading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string; readonly hint: string | null }

export function accept<T>(value: T): Reading<T> {
  return { ok: true, value }
}

export function refuse(message: string, hint: string | null = null): Reading<never> {
  return { ok: false, message, hint }
}

/** A value as messages show it: quoted, on one line, at most 60 characters. */
export function quote(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}...` : text
  return JSON.stringify(short)
}

/** Of milliseconds, as all of these. */
export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute
export const day = 24 * hour

const millisecondsPer: Record<string, number> = { ms: 1, s: second, m: minute, h: hour, d: day }

/** The longest duration that timers and 32-bit counters hold: 24 days. */
export const durationMaxMs = 24 * day

const durationHint = 'write a number with ms, s, m, h or d, such as 500ms, 2s or 1m30s'

/** `500ms`, `2s`, `1.5s`, `1h30m`; a bare `0` needs no unit. Milliseconds. @param maxMs whole days */
export function readDuration(text: string, maxMs: number = durationMaxMs): Reading<number> {
  if (text === '0') return accept(0)
  if (/^\d+(\.\d+)?$/.test(text)) {
    return refuse(
      `${quote(text)} has no unit`,
      `write ${text}ms, ${text}s or ${text}m; the units are ms, s, m, h and d`,
    )
  }
  if (text.startsWith('-')) return refuse(`${quote(text)} is negative`, durationHint)
  const odd = /^[\d.]+\s*([a-zµ]+)$/i.exec(text)
  const unit = odd?.[1]
  if (unit !== undefined && millisecondsPer[unit] === undefined) {
    const meant = /^m(s|illi)/i.test(unit) ? 'ms' : /^[smhd]/i.exec(unit)?.[0].toLowerCase()
    return refuse(
      `${quote(text)} has the unknown unit ${quote(unit)}`,
      meant === undefined ? durationHint : `write ${text.slice(0, -unit.length).trim()}${meant}`,
    )
  }
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    return refuse(`${quote(text)} is not a duration`, durationHint)
  }
  let total = 0
  let smallest = Infinity
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    const scale = millisecondsPer[unit!]!
    if (scale >= smallest) {
      return refuse(`${quote(text)} is not in the order of its units`, 'write 1h30m, not 30m1h')
    }
    smallest = scale
    total += Number(amount) * scale
  }
  // 0.1s is 100.00000000000001 ms in binary: forgive that, not a real fraction.
  const rounded = Math.round(total)
  if (Math.abs(total - rounded) > 1e-6) {
    return refuse(`${quote(text)} is finer than a millisecond`, durationHint)
  }
  if (rounded > maxMs) {
    return refuse(`${quote(text)} is longer than ${maxMs / millisecondsPer['d']!} days`)
  }
  return accept(rounded)
}

/** The shortest text that `readDuration` reads back as the same number of milliseconds. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s'
  let rest = milliseconds
  let text = ''
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const scale = millisecondsPer[unit]!
    const amount = Math.floor(rest / scale)
    if (amount > 0) text += `${amount}${unit}`
    rest -= amount * scale
  }
  return text
}

const bytesPer: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
const sizeHint = 'write a number with B, KiB, MiB or GiB, such as 64KiB'

/** `512B`, `64KiB`, `1.5MiB`; a bare `0` needs no unit. Bytes. */
export function readSize(text: string): Reading<number> {
  if (text === '0') return accept(0)
  if (/^\d+(\.\d+)?$/.test(text)) return refuse(`${quote(text)} has no unit`, sizeHint)
  const found = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(text)
  if (found === null) return refuse(`${quote(text)} is not a size`, sizeHint)
  const [, amount, unit] = found
  const scale = bytesPer[unit!]
  if (scale === undefined) {
    const meant = /^([kmg])(i?b)?$/i.exec(unit!)?.[1]?.toUpperCase()
    return refuse(
      `${quote(text)} has the unknown unit ${quote(unit!)}`,
      meant === undefined ? sizeHint : `write ${amount}${meant}iB; units here are powers of 1024`,
    )
  }
  const bytes = Number(amount) * scale
  if (!Number.isInteger(bytes)) return refuse(`${quote(text)} is not a whole number of bytes`)
  if (bytes > Number.MAX_SAFE_INTEGER) return refuse(`${quote(text)} is too large`)
  return accept(bytes)
}

/** The shortest text that `readSize` reads back as the same number of bytes. */
export function formatSize(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const scale = bytesPer[unit]!
    if (bytes >= scale && bytes % scale === 0) return `${bytes / scale}${unit}`
  }
  return `${bytes}B`
}

/** `50%` or `0.5`. A number in 0…1. */
export function readRatio(text: string): Reading<number> {
  const percent = /^(\d+(?:\.\d+)?) ?%$/.exec(text)
  if (percent !== null) {
    const digits = percent[1]!
    if (Number(digits) > 100) return refuse(`${quote(text)} is more than 100%`)
    return accept(shiftTwoPlaces(digits))
  }
  if (!/^(\d+(\.\d*)?|\.\d+)$/.test(text)) {
    return refuse(`${quote(text)} is not a share`, 'write a percentage such as 50%, or 0.5')
  }
  const value = Number(text)
  if (value <= 1) return accept(value)
  return refuse(`${quote(text)} is more than 1`, value <= 100 ? `write ${text}%` : null)
}

// 99.9 / 100 is 0.9990000000000001 in binary; moving the decimal point in the text is exact.
function shiftTwoPlaces(digits: string): number {
  return Number(`${digits}e-2`)
}

/** The percentage that `readRatio` reads back as the same number. */
export function formatRatio(ratio: number): string {
  const percent = Number(`${ratio}e2`)
  if (!Number.isNaN(percent) && Number(`${percent}e-2`) === ratio) return `${percent}%`
  return String(ratio)
}

/** A whole number from `min` to `max`, in decimal digits. */
export function readInteger(text: string, min: number, max: number): Reading<number> {
  const range = `write a whole number from ${min} to ${max}`
  if (!/^-?\d+$/.test(text)) return refuse(`${quote(text)} is not a whole number`, range)
  const value = Number(text)
  if (value < min || value > max) return refuse(`${text} is out of range`, range)
  return accept(value)
}
