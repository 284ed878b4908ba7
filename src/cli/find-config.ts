// Where a command's configuration comes from, in one order for all commands: what was named, what
// the environment names, the environment itself, the usual places.

import { existsSync } from 'node:fs'
import type { LoadResult } from '../config/evaluate.ts'
import { EXIT, Failure } from './terminal.ts'

type ConfigSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'environment' }

/** Places looked at when nothing is named. */
const USUAL_PLACES = ['evenkeel.yaml', '/etc/evenkeel/evenkeel.yaml'] as const

type Environment = Readonly<Record<string, string | undefined>>

/** @param named file given on the command line; `null` if there is neither that nor any other */
export function findConfig(named: string | undefined, env: Environment): ConfigSource | null {
  const path = named ?? nonEmpty(env['EVENKEEL_CONFIG'])
  if (path !== undefined) return { kind: 'file', path }
  if (nonEmpty(env['EVENKEEL_BACKENDS']) !== undefined) return { kind: 'environment' }
  const usual = USUAL_PLACES.find((place) => existsSync(place))
  return usual === undefined ? null : { kind: 'file', path: usual }
}

/** The file of a command that takes it both as an argument and as `-c FILE`. @throws Failure */
export function oneFile(argument: string | undefined, option: string | undefined) {
  if (argument !== undefined && option !== undefined && argument !== option) {
    throw new Failure('name the file once, either as FILE or with -c FILE', EXIT.usage)
  }
  return argument ?? option
}

/** The same, but it must be there. @throws Failure */
export function requireConfig(named: string | undefined, env: Environment): ConfigSource {
  const source = findConfig(named, env)
  if (source !== null) return source
  throw new Failure(
    `no configuration: neither ${USUAL_PLACES.join(' nor ')} exists and EVENKEEL_BACKENDS is not set; name a file`,
    EXIT.usage,
  )
}

/** Loads it. The parsers are loaded only now. */
export async function loadSource(source: ConfigSource, env: Environment): Promise<LoadResult> {
  if (source.kind === 'environment') {
    const { planFromEnvironment } = await import('../config/from-environment.ts')
    return planFromEnvironment(env)
  }
  const { loadConfig } = await import('../config/load.ts')
  return loadConfig(source.path, env)
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
