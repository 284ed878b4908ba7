// Moments as people write them: `30d` ago, a date, a date with a time. Pure: no time zone but UTC.

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** Accepted forms, for messages. */
export const MOMENT_HINT =
  'write how long ago (90m, 24h, 30d, 12w), or a date, 2026-11-01 or 2026-11-01T08:30:00Z (UTC)'

/** Ms since 1970; `null` if it is none of the forms. */
export function readMoment(text: string, nowMs: number): number | null {
  if (text === 'now') return nowMs
  const ago = /^(\d{1,6})([smhdw])$/.exec(text)
  if (ago !== null) return nowMs - Number(ago[1]) * UNITS[ago[2]!]!
  const date = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{3}))?)?Z?)?$/.exec(
    text,
  )
  if (date === null) return null
  const [year, month, day, hour, minute, second, ms] = date
    .slice(1)
    .map((part) => Number(part ?? 0))
  if (month! < 1 || month! > 12 || day! < 1 || day! > daysIn(year!, month!)) return null
  if (hour! > 23 || minute! > 59 || second! > 59) return null
  const days = dayNumber(year!, month!, day!)
  return ((days * 24 + hour!) * 60 + minute!) * 60_000 + second! * 1_000 + ms!
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

function daysIn(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}

/** Days since 1970-01-01. */
function dayNumber(year: number, month: number, day: number): number {
  // Years that begin in March have their leap day at the end.
  const shifted = month > 2 ? year : year - 1
  const era = Math.floor(shifted / 400)
  const ofEra = shifted - era * 400
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const ofEraDays = ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear
  return era * 146_097 + ofEraDays - 719_468
}
