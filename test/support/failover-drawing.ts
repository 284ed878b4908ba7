// Draws the failover machine's states for docs/active-standby.md, from the machine itself: it is
// led through everything that can happen to a pool of two backends, and each change of its state is
// an edge. To bring the page up to date: npm run build && node dist/test/support/failover-drawing.js

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type {
  FailoverEffect,
  FailoverEvent,
  FailoverMachine,
  FailoverState,
  FailoverStep,
} from '../../src/core/failover-contract.ts'
import { initialFailover } from '../../src/core/failover-initial.ts'
import { reduceFailover } from '../../src/core/failover.ts'
import { readiness } from '../../src/core/standby.ts'
import type { FailoverPhase } from '../../src/core/status.ts'
import { DOWN, failoverMachine, HOOK, UP } from './failover-machine.ts'

const PAGE = new URL('../../../docs/active-standby.md', import.meta.url)
const BEGIN = '<!-- states: generated -->'
const END = '<!-- /states -->'

const OTHERS: readonly FailoverPhase[] = ['none', 'failing-over', 'switching', 'frozen']

/** In these somebody serves; what they have in common is drawn once. */
const SERVING: readonly FailoverPhase[] = ['steady', 'suspect', 'failback-wait']

/** The drawing, as the page has it between its marks. */
export function failoverDrawing(): string {
  const edges = new Map<string, Set<string>>()
  for (const machine of MACHINES) explore(machine, edges)
  const causes = (from: string, to: string) =>
    [...(edges.get(`${from} ${to}`) ?? [])].sort().join(' / ')
  const draw = (from: string, to: string, text: string, indent = '  ') =>
    text === '' ? [] : [`${indent}${idOf(from)} --> ${idOf(to)}: ${text}`]
  const lines = ['```mermaid', 'stateDiagram-v2', '  [*] --> none: start', '  state serving {']
  for (const phase of [...SERVING, ...OTHERS]) {
    if (idOf(phase) !== phase) lines.splice(2, 0, `  state "${phase}" as ${idOf(phase)}`)
  }
  for (const from of SERVING) {
    for (const to of SERVING) lines.push(...draw(from, to, causes(from, to), '    '))
  }
  lines.push('  }')
  for (const other of OTHERS) {
    for (const to of OTHERS) lines.push(...draw(other, to, causes(other, to)))
    for (const [from, text] of fold((one) => causes(one, other))) {
      lines.push(...draw(from, other, text))
    }
    for (const [to, text] of fold((one) => causes(other, one))) {
      lines.push(...draw(other, to, text))
    }
  }
  return [...lines, '```'].join('\n')
}

/** What the serving phases have in common, as one; or each for itself. */
function fold(causes: (phase: FailoverPhase) => string): readonly (readonly [string, string])[] {
  const all = SERVING.map((phase) => [phase, causes(phase)] as const)
  const [[, first]] = all as [readonly [string, string]]
  return all.every(([, text]) => text === first) ? [['serving', first]] : all
}

function idOf(phase: string): string {
  return phase.replace('-', '_')
}

/** The page with the drawing between its marks. */
export function withDrawing(page: string): string {
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (after === undefined) throw new Error('docs/active-standby.md has no place for the drawing')
  return `${before}${BEGIN}\n\n${failoverDrawing()}\n\n${END}${after}`
}

// --- everything that can happen --------------------------------------------------------------------

const MACHINES: readonly FailoverMachine[] = [
  failoverMachine(['a', 'b'], { failback: 'auto', promote: HOOK }),
  failoverMachine(['a', 'b'], { failback: 'auto', agreement: 'etcd' }),
]

/** More than the machine has, by far; an exploration that comes here does not end. */
const MOST = 50_000

interface Place {
  readonly state: FailoverState
  readonly deadlineMs: number
  readonly nowMs: number
}

function explore(machine: FailoverMachine, edges: Map<string, Set<string>>): void {
  const start = { state: initialFailover(machine, null, 0), deadlineMs: Infinity, nowMs: 0 }
  const seen = new Set<string>([keyOf(machine, start)])
  const open: Place[] = [start]
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    for (const { event, nowMs } of possible(machine, place)) {
      const step = reduceFailover(machine, place.state, event, nowMs)
      draw(place.state, event, step, edges)
      const next = { state: step.state, deadlineMs: step.deadlineMs, nowMs }
      const key = keyOf(machine, next)
      if (seen.has(key)) continue
      seen.add(key)
      if (seen.size > MOST) throw new Error('the exploration does not end')
      open.push(next)
    }
  }
}

/** What tells two places apart, coarsely: the same phases lie behind the finer differences. */
function keyOf(machine: FailoverMachine, { state, nowMs, deadlineMs }: Place): string {
  const { phase, active, last, move, following, frozen, agreement, pinned, leads } = state
  const members = state.members.map(({ fit, judged, doubtful, withdrawn }, index) => {
    const isReady = readiness(machine, state, index, 'failover', nowMs).ready
    const own = index === active || index === move?.from
    return [fit, judged, isReady, own && doubtful, own && withdrawn]
  })
  const step = move === null ? null : [move.kind, move.from, move.to, move.step, move.by]
  const rest = [following?.to, following?.stopped, frozen !== null, agreement.ok, pinned, leads]
  return JSON.stringify([phase, active, last, members, step, rest, deadlineMs < Infinity])
}

interface Possible {
  readonly event: FailoverEvent
  readonly nowMs: number
}

function possible(machine: FailoverMachine, { state, deadlineMs, nowMs }: Place): Possible[] {
  const events: FailoverEvent[] = [...factsOf(state), ...words(state), ...answers(state)]
  if (machine.plan.agreement === 'etcd') events.push(...agreed(state))
  const now = events.map((event) => ({ event, nowMs }))
  if (deadlineMs === Infinity) return now
  return [...now, { event: { kind: 'due' }, nowMs: Math.max(nowMs, deadlineMs) }]
}

function factsOf(state: FailoverState): FailoverEvent[] {
  return state.members.flatMap((_, index) => [
    { kind: 'member', index, facts: UP },
    { kind: 'member', index, facts: { ...UP, doubtful: true, reason: 'a probe failed' } },
    { kind: 'member', index, facts: DOWN },
    { kind: 'member', index, facts: { ...DOWN, withdrawn: true, reason: 'drain' } },
  ])
}

function words(state: FailoverState): FailoverEvent[] {
  const by = { kind: 'operator', reason: 'drill', by: 'ann' } as const
  return [
    { ...by, word: { verb: 'switchover', to: state.active === 0 ? 1 : 0, force: true } },
    { ...by, word: { verb: 'failback', force: true } },
    { ...by, word: { verb: 'freeze' } },
    { ...by, word: { verb: 'unfreeze' } },
  ]
}

function answers({ move, following }: FailoverState): FailoverEvent[] {
  if (following !== null && !following.stopped) {
    return [{ kind: 'stopped', epoch: following.stopEpoch }]
  }
  if (move === null) return []
  const { epoch, step } = move
  const reason = 'no space left on device'
  switch (step) {
    case 'claim':
      return [
        { kind: 'claimed', epoch },
        { kind: 'claim-lost', epoch, reason },
      ]
    case 'stop':
      return [{ kind: 'stopped', epoch }]
    case 'fence':
    case 'promote':
      return [
        { kind: 'hooked', epoch, hook: step, failure: null },
        { kind: 'hooked', epoch, hook: step, failure: 'exit 1' },
      ]
    case 'prove':
      return [{ kind: 'proved', epoch, passed: true, role: null, text: 'ok' }]
    default:
      return [
        { kind: 'committed', epoch },
        { kind: 'commit-lost', epoch, reason },
      ]
  }
}

function agreed({ epoch, active, last, leads, agreement, following }: FailoverState) {
  const from = Math.max(0, active, last)
  const to = from === 0 ? 1 : 0
  const next = { kind: 'followed', frozen: null, epoch: epoch + 1, active: from, to } as const
  const events: FailoverEvent[] = [
    { kind: 'lead', leads: !leads },
    { kind: 'agreement', ok: !agreement.ok, reason: 'etcd is gone' },
  ]
  if (leads) return events
  if (following === null) events.push({ ...next, moving: true })
  else events.push({ ...next, epoch: following.epoch, active: following.to, moving: false })
  return events
}

// --- in words --------------------------------------------------------------------------------------

function draw(
  before: FailoverState,
  event: FailoverEvent,
  { state, effects }: FailoverStep,
  edges: Map<string, Set<string>>,
): void {
  if (state.phase === before.phase) return
  const edge = `${before.phase} ${state.phase}`
  const causes = edges.get(edge) ?? new Set<string>()
  edges.set(edge, causes)
  causes.add(causeOf(before, event, state, effects))
}

const ENDS = { moved: 'moved', 'rolled-back': 'rolled back', failed: 'the move failed' } as const

function causeOf(
  before: FailoverState,
  event: FailoverEvent,
  after: FailoverState,
  effects: readonly FailoverEffect[],
): string {
  if (event.kind === 'operator') return event.word.verb
  if (event.kind === 'agreement') return event.ok ? 'agreement' : 'no agreement'
  if (after.following !== null) return 'another replica moves it'
  const claim = after.move !== before.move && after.move?.step === 'claim'
  if (claim) return startOf(after)
  const ended = effects.find((effect) => effect.kind === 'ended')
  if (ended !== undefined) return ENDS[ended.outcome]
  if (before.following !== null) return 'moved'
  return CHANGES[`${before.phase} ${after.phase}`] ?? wordsOf(after)
}

function startOf({ move, members }: FailoverState): string {
  const { kind, from } = move!
  if (kind === 'first') return 'first start'
  if (kind === 'switchover' && from >= 0 && members[from]!.withdrawn) return 'active drained'
  return kind
}

/** What else leads from one phase to another. */
const CHANGES: Readonly<Record<string, string>> = {
  'none steady': 'the active is back',
  'none suspect': 'the active is back',
  'none failback-wait': 'the active is back',
  'suspect steady': 'its probe passed',
  'suspect failback-wait': 'its probe passed',
  'failback-wait steady': 'the preferred one is gone again',
}

function wordsOf({ phase }: FailoverState): string {
  if (phase === 'suspect') return 'a probe of the active failed'
  if (phase === 'failback-wait') return 'the preferred one is back'
  if (phase === 'none') return 'active lost, nobody ready'
  throw new Error(`no words for a change to ${phase}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(PAGE, withDrawing(readFileSync(PAGE, 'utf8')))
}
