// The lengths of time of the agreement, all as shares of one: the TTL of a replica's lease. Each
// leaves room for the one that it must be shorter than.

import type { AgreementSetup } from './agreement-contract.ts'

/** Added to a TTL when the others wait for a replica that may still be sending. */
const LAPSE_MARGIN_MS = 500

/** How long one renewal, or one confirmation by all, lets a replica send. */
export function rightMs({ ttlMs }: AgreementSetup): number {
  return (ttlMs * 2) / 3
}

/** How long it is waited for a replica that does not answer: it can't be sending any more. */
export function lapseMs({ ttlMs }: AgreementSetup): number {
  return ttlMs + LAPSE_MARGIN_MS
}

/** From the begin of one renewal to that of the next. */
export function cycleMs({ ttlMs }: AgreementSetup): number {
  return ttlMs / 3
}

/** Before something that failed is tried again. */
export function retryMs({ ttlMs }: AgreementSetup): number {
  return ttlMs / 12
}

/** A renewal this long ago is overdue: the others are asked. A quarter of a TTL is left for that. */
export function overdueMs({ ttlMs }: AgreementSetup): number {
  return (ttlMs * 5) / 12
}

/** A renewal this long ago means that etcd is out of reach: frozen, shortly before the right ends. */
export function lostMs({ ttlMs }: AgreementSetup): number {
  return (ttlMs * 7) / 12
}

/** How long an asked replica may wait for its own etcd before it answers. */
export function questionMs({ ttlMs }: AgreementSetup): number {
  return ttlMs / 6
}

/** From one question to the others to the next while all confirm; and after somebody did not. */
export function roundMs({ ttlMs }: AgreementSetup, confirmed: boolean): number {
  return confirmed ? ttlMs / 3 : ttlMs / 6
}
