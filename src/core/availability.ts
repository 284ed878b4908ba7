// The only judge: what an operator said, what the probes said, what the traffic said, slow start and
// weight become one verdict, what data threads may do with it, and a sentence that says why.
// The first row that fits wins (`*` is anything):
//
//   admin  health         breaker    weight  ramp │ availability  eligibility  effective weight
//   maint  *              *          *       *    │ maint         no           0
//   drain  *              *          *       *    │ drain         finish       0
//     (either, when its time to finish is over: cut instead)
//   ready  down           *          *       *    │ down          no           0
//   ready  checking       *          *       *    │ checking      no           0
//   ready  up or none     open       *       *    │ ejected       no           0
//   ready  up or none     *          0       *    │ weightless    finish       0
//   ready  up or none     half-open  > 0     *    │ probation     probation    weight
//   ready  up or none     closed     > 0     < 1  │ starting      yes          weight × share
//   ready  up or none     closed     > 0     1    │ available     yes          weight
//
// So a failing check beats good traffic, and a passing one does not lift an ejection.

import { BREAKER, type BreakerState } from './breaker.ts'
import { ELIGIBILITY, type Eligibility } from './snapshot.ts'
import type { AdminState, Availability, Health, TrafficVerdict } from './status.ts'

/** All that bears on one backend. */
export interface Circumstances {
  readonly admin: AdminState
  /** With `drain` or `maint`: what runs has had its time. */
  readonly cut?: boolean
  readonly health: Health
  readonly breaker: BreakerState
  /** Configured weight. */
  readonly weight: number
  /** Share of the weight that slow start allows, 0…1. */
  readonly share: number
}

export interface Verdict {
  readonly availability: Availability
  readonly eligibility: Eligibility
  readonly weight: number
}

const verdict = (
  availability: Availability,
  eligibility: Eligibility,
  weight: number,
): Verdict => ({ availability, eligibility, weight })

/** The verdict: see the table at the top. */
export function judgeAvailability(of: Circumstances): Verdict {
  if (of.admin !== 'ready' && of.cut === true) return verdict(of.admin, ELIGIBILITY.cut, 0)
  if (of.admin === 'maint') return verdict('maint', ELIGIBILITY.no, 0)
  if (of.admin === 'drain') return verdict('drain', ELIGIBILITY.finish, 0)
  if (of.health === 'down') return verdict('down', ELIGIBILITY.no, 0)
  if (of.health === 'checking') return verdict('checking', ELIGIBILITY.no, 0)
  if (of.breaker === BREAKER.open) return verdict('ejected', ELIGIBILITY.no, 0)
  if (of.weight <= 0) return verdict('weightless', ELIGIBILITY.finish, 0)
  if (of.breaker === BREAKER.halfOpen) {
    return verdict('probation', ELIGIBILITY.probation, of.weight)
  }
  if (of.share < 1) return verdict('starting', ELIGIBILITY.yes, of.weight * of.share)
  return verdict('available', ELIGIBILITY.yes, of.weight)
}

/** Takes ordinary traffic. */
export function isAvailable(availability: Availability): boolean {
  return availability === 'available' || availability === 'starting'
}

/** Meant to serve and fit to: only its traffic's verdict can keep it out. */
export function isInPlay(of: Circumstances): boolean {
  return of.admin === 'ready' && of.health !== 'down' && of.health !== 'checking' && of.weight > 0
}

/** The breaker's state in the words of the status. */
export function trafficVerdict(breaker: BreakerState): TrafficVerdict {
  if (breaker === BREAKER.open) return 'ejected'
  return breaker === BREAKER.halfOpen ? 'probation' : 'ok'
}

/** What the sentence is made of, beside the verdict. */
export interface Evidence {
  readonly adminReason: string
  /** Why the health is what it is; empty if there is no check. */
  readonly healthReason: string
  /** Why it was ejected; empty if it never was. */
  readonly ejectReason: string
  /** Why it stays in though its traffic says that it should go; empty if it need not. */
  readonly spared: string
  /** Milliseconds left of an ejection. */
  readonly ejectedForMs: number
  readonly probationSuccesses: number
  readonly probationNeeded: number
  /** Share of the weight that slow start allows, 0…1. */
  readonly share: number
}

/** One sentence for a person: why it is so, and when it ends if that is known. */
export function explainAvailability(availability: Availability, evidence: Evidence): string {
  if (evidence.spared !== '' && isAvailable(availability)) return evidence.spared
  switch (availability) {
    case 'maint':
    case 'drain': {
      const why = evidence.adminReason === '' ? '' : `: ${evidence.adminReason}`
      return availability === 'maint'
        ? `taken out for maintenance${why}`
        : `draining, no new requests${why}`
    }
    case 'down':
      return evidence.healthReason
    case 'checking':
      return 'no probe has passed yet'
    case 'ejected':
      return `ejected for ${seconds(evidence.ejectedForMs)} more: ${evidence.ejectReason}`
    case 'probation':
      return `on probation, ${evidence.probationSuccesses} of ${evidence.probationNeeded} requests succeeded, after: ${evidence.ejectReason}`
    case 'weightless':
      return 'its weight is 0'
    case 'starting':
      return `slow start at ${Math.round(evidence.share * 100)} % of its weight`
    default:
      return evidence.healthReason === ''
        ? 'no health check; traffic is fine'
        : evidence.healthReason
  }
}

function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)} s`
}
