// A record of the ledger as a line of its file, and back. Each line is JSON by itself and begins with a
// checksum of the rest, so that whatever a crash, a full disk or an editor did to a line is seen.

import { crc32 } from 'node:zlib'
import { isAmount, isCounts, type LedgerRecord, type SpanRecord } from '../core/ledger-contract.ts'

const HEAD = '{"sum":"'
const HEAD_LENGTH = HEAD.length + 8 + 2

/** The line, with its newline. */
export function writeLine(record: LedgerRecord): string {
  const rest = JSON.stringify(record).slice(1)
  return `${HEAD}${sumOf(rest)}",${rest}\n`
}

/** What a line says; `null` if it was damaged, or is of a kind that is not known here. */
export function readLine(line: string): LedgerRecord | null {
  if (!line.startsWith(HEAD) || line.slice(HEAD_LENGTH - 2, HEAD_LENGTH) !== '",') return null
  const rest = line.slice(HEAD_LENGTH)
  if (line.slice(HEAD.length, HEAD.length + 8) !== sumOf(rest)) return null
  try {
    const record = JSON.parse(`{${rest}`) as LedgerRecord
    return isRecord(record) ? record : null
  } catch {
    return null
  }
}

// The checksum tells of damage; this tells of a hand, or another version, that wrote a line anew.
function isRecord(record: LedgerRecord): boolean {
  if (!isAmount(record.at)) return false
  switch (record.kind) {
    case 'incident':
      return (
        isNamed(record) &&
        isAmount(record.ms) &&
        areAll(record.stages, ({ ms, counts }) => isAmount(ms) && isCounts(counts)) &&
        areAll(record.outages, ({ faultMs, lostMs }) => isAmount(faultMs) && isAmount(lostMs))
      )
    case 'window':
      return isNamed(record) && isAmount(record.ms)
    case 'span':
      return isSpan(record)
    case 'pool':
      return typeof record.pool === 'string' && Array.isArray(record.backends)
    case 'move':
      return typeof record.pool === 'string' && typeof record.report === 'object'
    case 'action':
      return typeof record.verb === 'string'
    case 'start':
    case 'stop':
    case 'clock':
      return isAmount(record.run)
    default:
      return false
  }
}

function isSpan({ run, n, ms, toAt, pools, leftOut }: SpanRecord): boolean {
  if (![run, n, ms, toAt, leftOut].every(isAmount)) return false
  return areAll(Object.values(pools), ({ times, counts, backends }) => {
    const rows = [times, ...Object.values(backends)] as readonly (readonly number[])[]
    return isCounts(counts) && rows.every((row) => row.length >= 4 && row.every(isAmount))
  })
}

function isNamed({ id, rev, pool }: { id: string; rev: number; pool: string }): boolean {
  return typeof id === 'string' && isAmount(rev) && typeof pool === 'string'
}

function areAll<T>(list: readonly T[], holds: (one: T) => boolean): boolean {
  return Array.isArray(list) && list.every(holds)
}

/** CRC-32 of the UTF-8 bytes, in hexadecimal. */
function sumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}
