// What a configuration would change, or has changed, as lines for people: + new, - gone, ~ changed,
// ! what no reload can do.

import type { Differences, Leaving, PlanDiff, ReloadAnswer, SettingChange } from '../core/reload.ts'
import { formatDuration } from '../config/units.ts'
import type { Color } from './terminal.ts'
import { paint } from './terminal.ts'

type Facts = Pick<ReloadAnswer, 'changes' | 'leaving' | 'drainMs'>

/** One line for each thing; none if nothing differs. */
export function diffText({ changes, leaving, drainMs }: Facts, color: boolean): string[] {
  if (changes === null) return []
  const lines = [
    ...settingLines('', changes.settings),
    ...differenceLines('listener', changes.listeners, leaving),
    ...poolLines(changes, leaving),
    ...changes.fixed.map((fixed) => `! ${settingText(fixed)}: ${fixed.advice}`),
  ]
  const running = leaving.filter(({ sessions }) => sessions > 0)
  if (running.some(({ kind }) => kind === 'backend')) {
    const limit = formatDuration(drainMs)
    lines.push(
      `  what is in flight on backends that go may finish; tunnels are cut after ${limit} (runtime.drain)`,
    )
  }
  return lines.map((line) => painted(line, color))
}

function poolLines({ pools }: PlanDiff, leaving: readonly Leaving[]): string[] {
  const lines = [
    ...pools.added.map((name) => `+ pool ${name}`),
    ...pools.removed.map((name) => `- pool ${name}${sessionsOfPool(name, leaving)}`),
  ]
  for (const { name, settings, backends } of pools.changed) {
    lines.push(
      ...settingLines(`pool ${name}: `, settings),
      ...differenceLines(`backend ${name}/`, backends, leaving),
    )
  }
  return lines
}

function differenceLines(
  what: string,
  { added, removed, changed }: Differences,
  leaving: readonly Leaving[],
): string[] {
  const isBackend = what.startsWith('backend ')
  const full = (name: string): string => (isBackend ? `${what}${name}` : `${what} ${name}`)
  const key = (name: string): string =>
    isBackend ? `${what.slice('backend '.length)}${name}` : name
  const busy = (name: string): string =>
    sessionsText(leaving.find((one) => one.name === key(name))?.sessions ?? 0, isBackend)
  return [
    ...added.map((name) => `+ ${full(name)}`),
    ...removed.map((name) => `- ${full(name)}${busy(name)}`),
    ...changed.flatMap(({ name, settings, isReplaced }) => {
      const lines = settingLines(`${full(name)}: `, settings)
      if (!isReplaced) return lines
      return [...lines, `  ${full(name)} is a new one under the old name${busy(name)}`]
    }),
  ]
}

function settingLines(where: string, settings: readonly SettingChange[]): string[] {
  return settings.map((setting) => `~ ${where}${settingText(setting)}`)
}

function settingText({ path, before, after }: SettingChange): string {
  if (before === after) return `${path} changed`
  return `${path} ${before ?? '(not set)'} -> ${after ?? '(not set)'}`
}

function sessionsOfPool(pool: string, leaving: readonly Leaving[]): string {
  let sessions = 0
  for (const one of leaving) if (one.name.startsWith(`${pool}/`)) sessions += one.sessions
  return sessionsText(sessions, true)
}

function sessionsText(sessions: number, isBackend: boolean): string {
  if (sessions === 0) return ''
  if (isBackend) return `  (${sessions} in flight)`
  return `  (${sessions} connection${sessions === 1 ? '' : 's'})`
}

const tints: Readonly<Record<string, Color>> = {
  '+': 'green',
  '-': 'red',
  '~': 'yellow',
  '!': 'red',
}

function painted(line: string, color: boolean): string {
  const tint = tints[line[0] ?? '']
  return tint === undefined ? line : paint(line, tint, color)
}
