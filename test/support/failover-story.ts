// Tells failover stories: a text of steps goes in, the same text with what the failover machine did
// after each step comes out. How to read and write one: test/transcripts/README.md.

import type { FailoverMachine, MemberFacts } from '../../src/core/failover-contract.ts'
import type { FailoverPlan } from '../../src/core/plan.ts'
import { DOWN, failoverMachine, HOOK, UP } from './failover-machine.ts'
import { HOOK_MS, Stage, type AskName } from './failover-stage.ts'

/** The whole story, told anew. */
export function retell(story: string): string {
  const lines = story.split('\n')
  const first = lines.findIndex((line) => line.startsWith('> '))
  const head = lines.slice(0, first)
  const stage = new Stage(machineOf(head))
  const told: string[] = []
  for (const line of lines.slice(first)) {
    if (line.startsWith('> ')) told.push(line, ...stage.play(actOf(line.slice(2))))
    else if (line === '' || line.startsWith('#')) told.push(line)
  }
  return [...head, ...told].join('\n')
}

// --- the head: who takes part, under which settings ----------------------------------------------

function machineOf(head: readonly string[]): FailoverMachine {
  const valueOf = (key: string): string[] => {
    const line = head.find((one) => one.startsWith(`${key}: `))
    return line === undefined ? [] : line.slice(key.length + 2).split(', ')
  }
  const members = valueOf('backends').map((text) => {
    const [name = '', kind] = text.split(' ')
    const takeovers: Record<string, 'auto' | 'promoted' | 'manual'> = {
      '(warm)': 'promoted',
      '(cold)': 'manual',
    }
    return { name, takeover: takeovers[kind ?? ''] ?? 'auto' }
  })
  const plan: Partial<FailoverPlan> = {}
  let roles = false
  for (const setting of valueOf('settings')) {
    if (setting === 'roles are asked for') roles = true
    else Object.assign(plan, planOf(setting))
  }
  return failoverMachine(members, plan, roles)
}

const DURATIONS: Readonly<Record<string, keyof FailoverPlan>> = {
  stableFor: 'stableForMs',
  holdDown: 'holdDownMs',
  maxHoldDown: 'holdDownMaxMs',
  readyFor: 'readyForMs',
  drain: 'drainMs',
  pauseMax: 'pauseMaxMs',
  proveWithin: 'proveMs',
}

function planOf(setting: string): Partial<FailoverPlan> {
  const [key = '', value = ''] = setting.split(' ')
  const duration = DURATIONS[key]
  if (duration !== undefined) return { [duration]: readMs(value) }
  if (value === 'hook') return { [key]: HOOK }
  if (['failback', 'sessions', 'elect', 'allDown', 'agreement'].includes(key)) {
    return { [key]: value }
  }
  throw new Error(`no such setting: ${setting}`)
}

function readMs(text: string): number {
  const [, number, unit] = /^([\d.]+)(ms|s|m)$/.exec(text) ?? []
  if (number === undefined) throw new Error(`no duration: ${text}`)
  return Number(number) * { ms: 1, s: 1000, m: 60_000 }[unit as 'ms' | 's' | 'm']
}

// --- what a step may say -------------------------------------------------------------------------

interface Act {
  readonly pattern: RegExp
  readonly play: (stage: Stage, words: readonly string[]) => void
}

function actOf(step: string): (stage: Stage) => void {
  for (const { pattern, play } of ACTS) {
    const found = pattern.exec(step)
    if (found !== null) return (stage) => play(stage, found.slice(1))
  }
  throw new Error(`a story can't say: ${step}`)
}

const role = (word: string | undefined): MemberFacts['role'] =>
  word === 'primary' || word === 'replica' ? word : null

const ACTS: readonly Act[] = [
  {
    pattern: /^(\w+) is up(?: as (primary|replica))?$/,
    play: (stage, [name, as]) => stage.member(name!, { ...UP, role: role(as) }),
  },
  {
    pattern: /^(\w+) goes down: (.+)$/,
    play: (stage, [name, reason]) => stage.member(name!, { ...DOWN, role: null, reason: reason! }),
  },
  {
    pattern: /^(\w+) is doubtful: (.+)$/,
    play: (stage, [name, reason]) => stage.member(name!, { doubtful: true, reason: reason! }),
  },
  {
    pattern: /^(\w+) is withdrawn: (.+)$/,
    play: (stage, [name, reason]) =>
      stage.member(name!, { fit: false, withdrawn: true, reason: reason! }),
  },
  {
    pattern: /^(\w+) says (primary|replica|nothing of its role)$/,
    play: (stage, [name, says]) => stage.member(name!, { role: role(says) }),
  },
  {
    pattern: /^the site of (\w+) (holds|holds no longer)$/,
    play: (stage, [name, holds]) => stage.member(name!, { siteHolds: holds === 'holds' }),
  },
  { pattern: /^wait ([\d.]+(?:ms|s|m))$/, play: (stage, [time]) => stage.wait(readMs(time!)) },
  {
    pattern: /^evenkeel switchover db --to (\w+) --reason "(.+?)"( --force)?$/,
    play: (stage, [to, reason, force]) => {
      const word = { to: stage.place(to!), force: force !== undefined }
      stage.operator({ verb: 'switchover', ...word }, reason!)
    },
  },
  {
    pattern: /^evenkeel failback db --reason "(.+?)"( --force)?$/,
    play: (stage, [reason, force]) =>
      stage.operator({ verb: 'failback', force: force !== undefined }, reason!),
  },
  {
    pattern: /^evenkeel (freeze|unfreeze) db --reason "(.+?)"$/,
    play: (stage, [verb, reason]) =>
      stage.operator({ verb: verb === 'freeze' ? 'freeze' : 'unfreeze' }, reason!),
  },
  {
    pattern: /^the (fence|promote) hook fails: (.+)$/,
    play: (stage, [hook, reason]) => stage.hook(hook as 'fence', HOOK_MS, reason!),
  },
  {
    pattern: /^the (fence|promote) hook takes ([\d.]+(?:ms|s|m))$/,
    play: (stage, [hook, time]) => stage.hook(hook as 'fence', readMs(time!), ''),
  },
  {
    pattern: /^the (fence|promote) hook works$/,
    play: (stage, [hook]) => stage.hook(hook as 'fence', HOOK_MS, ''),
  },
  {
    pattern: /^sessions on (\w+) take ([\d.]+(?:ms|s|m))$/,
    play: (stage, [name, time]) => stage.sessions(name!, readMs(time!)),
  },
  {
    pattern: /^the state file can't be written: (.+)$/,
    play: (stage, [reason]) => stage.store(reason!),
  },
  { pattern: /^the state file can be written again$/, play: (stage) => stage.store('') },
  {
    pattern: /^(claim|stop|fence|promote|prove|commit) gets no answer$/,
    play: (stage, [name]) => stage.hold(name as AskName),
  },
  {
    pattern: /^(claim|stop|fence|promote|prove|commit) is answered$/,
    play: (stage, [name]) => stage.answerHeld(name as AskName),
  },
  { pattern: /^evenkeel is killed$/, play: (stage) => stage.kill() },
  {
    pattern: /^evenkeel starts again(?: without (\w+))?$/,
    play: (stage, [without]) => stage.startAgain(without),
  },
  {
    pattern: /^etcd is gone: (.+)$/,
    play: (stage, [reason]) => stage.hear({ kind: 'agreement', ok: false, reason: reason! }),
  },
  {
    pattern: /^etcd is back$/,
    play: (stage) => stage.hear({ kind: 'agreement', ok: true, reason: '' }),
  },
  {
    pattern: /^(this|another) replica decides$/,
    play: (stage, [who]) => stage.hear({ kind: 'lead', leads: who === 'this' }),
  },
  {
    pattern: /^the key says: epoch (\d+), (\w+) is the active(?:, frozen by (\w+): (.+))?$/,
    play: (stage, [epoch, active, by, reason]) =>
      stage.hear({
        kind: 'followed',
        epoch: Number(epoch),
        active: stage.place(active!),
        moving: false,
        to: stage.place(active!),
        frozen: by === undefined ? null : { by, reason: reason! },
      }),
  },
  {
    pattern: /^the key says: epoch (\d+), moving from (\w+) to (\w+)$/,
    play: (stage, [epoch, active, to]) =>
      stage.hear({
        kind: 'followed',
        epoch: Number(epoch),
        active: stage.place(active!),
        moving: true,
        to: stage.place(to!),
        frozen: null,
      }),
  },
]
