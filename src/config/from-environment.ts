// A sidecar's configuration from environment variables alone: one listener, one pool, both called
// `main`. The variables fill the same tree a file would, so that schema, defaults and checks are
// the same; diagnostics name the variable.

import { type Diagnostic, formatPath, type Path, type Place, type Source } from './diagnostics.ts'
import type { Tree } from './document.ts'
import type { Environment } from './environment.ts'
import { showingOf, starred } from './secret-text.ts'
import { evaluate, failure, type LoadResult } from './evaluate.ts'
import { nearest } from '../core/nearest.ts'

type TreeMap = Record<string, Tree>

const listener: Path = ['listeners', 'main']
const pool: Path = ['pools', 'main']
const health: Path = [...pool, 'healthCheck']

/** Variables that set one key each. */
const settings: Readonly<Record<string, Path>> = {
  EVENKEEL_LISTEN: [...listener, 'bind'],
  EVENKEEL_PROTOCOL: [...listener, 'protocol'],
  EVENKEEL_MAX_CONNECTIONS: [...listener, 'maxConnections'],
  EVENKEEL_MODE: [...pool, 'mode'],
  EVENKEEL_FAILBACK: [...pool, 'failover', 'failback'],
  EVENKEEL_BALANCE: [...pool, 'balance'],
  EVENKEEL_HEALTH_PATH: [...health, 'http', 'path'],
  EVENKEEL_HEALTH_INTERVAL: [...health, 'interval'],
  EVENKEEL_HEALTH_TIMEOUT: [...health, 'timeout'],
  EVENKEEL_CONNECT_TIMEOUT: [...pool, 'timeouts', 'connect'],
  EVENKEEL_RESPONSE_TIMEOUT: [...pool, 'timeouts', 'response'],
  EVENKEEL_TOTAL_TIMEOUT: [...pool, 'timeouts', 'total'],
  EVENKEEL_RETRIES: [...pool, 'retry', 'attempts'],
  EVENKEEL_PER_BACKEND: [...pool, 'limits', 'perBackend'],
  EVENKEEL_SLOW_START: [...pool, 'slowStart'],
  EVENKEEL_ADMIN: ['admin', 'bind'],
  EVENKEEL_ADMIN_TOKEN: ['admin', 'tokens', 'admin'],
  EVENKEEL_READ_TOKEN: ['admin', 'tokens', 'readOnly'],
  EVENKEEL_METRICS: ['admin', 'metrics'],
  EVENKEEL_LOG_LEVEL: ['log', 'level'],
  EVENKEEL_ACCESS_LOG: ['log', 'access', 'format'],
  EVENKEEL_THREADS: ['runtime', 'threads'],
  EVENKEEL_DRAIN: ['runtime', 'drain'],
  EVENKEEL_STATE_DIR: ['runtime', 'stateDir'],
}

/** Variables that hold a list with commas. */
const lists: Readonly<Record<string, Path>> = {
  EVENKEEL_BACKENDS: [...pool, 'backends'],
  EVENKEEL_TRUST_FORWARDED: [...listener, 'trustForwarded'],
}

const isOff = (value: string | undefined) => value === 'off' || value === 'false'

/** Names of all variables that are understood, those of the command line included. */
export const environmentVariables: readonly string[] = [
  ...Object.keys(lists),
  ...Object.keys(settings),
  'EVENKEEL_HEALTH',
  'EVENKEEL_CONFIG',
  'EVENKEEL_BINARY',
  'EVENKEEL_TOKEN',
]

/** Compiles a configuration from `EVENKEEL_*` variables. `EVENKEEL_BACKENDS` is the one required. */
export function planFromEnvironment(env: Environment): LoadResult {
  const source = new EnvironmentSource(env)
  for (const [variable, path] of Object.entries(lists)) source.setList(variable, path)
  for (const [variable, path] of Object.entries(settings)) source.setValue(variable, path)
  if (!source.has([...pool, 'backends'])) return failure([noBackends(source.file)])
  source.setDefault([...listener, 'bind'], ':8080')
  source.setDefault([...listener, 'pool'], 'main')
  // Without a word about it, a connect: a sidecar often starts before the server beside it.
  if (isOff(env['EVENKEEL_HEALTH'])) source.setOff('EVENKEEL_HEALTH', health)
  else if (!source.has([...health, 'http'])) source.setDefault([...health, 'tcp'], {})
  if (isOff(env['EVENKEEL_ADMIN'])) source.setOff('EVENKEEL_ADMIN', ['admin'])
  if (env['EVENKEEL_RETRIES'] === '0') source.setOff('EVENKEEL_RETRIES', [...pool, 'retry'])
  const diagnostics = strangers(env, source.file)
  return evaluate({ tree: source.tree, source, diagnostics, failed: [] })
}

function noBackends(file: string): Diagnostic {
  return aboutVariable(file, 'EVENKEEL_BACKENDS', 'error', {
    message: 'is not set',
    hint: 'set it to the servers behind, such as EVENKEEL_BACKENDS=10.0.0.1:8080,10.0.0.2:8080',
  })
}

function strangers(env: Environment, file: string): Diagnostic[] {
  return (
    Object.keys(env)
      .filter((name) => name.startsWith('EVENKEEL_') && !environmentVariables.includes(name))
      // A process sets it for the one that is to follow it.
      .filter((name) => name !== 'EVENKEEL_SUCCESSOR')
      // Kubernetes sets these by itself for a service called "evenkeel".
      .filter((name) => !/^EVENKEEL_(SERVICE_|PORT($|_))/.test(name))
      .map((name) => {
        const near = nearest(name, environmentVariables)
        const hint = near === null ? 'docs/configuration.md lists them' : `did you mean ${near}?`
        return aboutVariable(file, name, 'warning', { message: 'is not a known variable', hint })
      })
  )
}

function aboutVariable(
  file: string,
  path: string,
  severity: 'error' | 'warning',
  { message, hint }: { message: string; hint: string },
): Diagnostic {
  return { severity, file, line: 0, column: 0, length: 1, path, message, hint, excerpt: null }
}

interface Binding {
  readonly path: string
  readonly place: Place
}

class EnvironmentSource implements Source {
  readonly file = 'environment'
  readonly tree: TreeMap = {}
  readonly #env: Environment
  readonly #bindings: Binding[] = []

  constructor(env: Environment) {
    this.#env = env
  }

  setValue(variable: string, path: Path): void {
    const value = this.#env[variable]
    if (value === undefined || value === '') return
    this.replace(path, value)
    this.#bind(path, variable, 0, value.length)
  }

  setList(variable: string, path: Path): void {
    const value = this.#env[variable]
    if (value === undefined || value.trim() === '') return
    const items: string[] = []
    this.#bind(path, variable, 0, value.length)
    let offset = 0
    for (const piece of value.split(',')) {
      const item = piece.trim()
      if (item !== '') {
        this.#bind([...path, items.length], variable, offset + piece.indexOf(item), item.length)
        items.push(item)
      }
      offset += piece.length + 1
    }
    this.replace(path, items)
  }

  /** Switches a whole section off by its variable, which is set. */
  setOff(variable: string, path: Path): void {
    this.replace(path, 'false')
    this.#bind(path, variable, 0, this.#env[variable]!.length)
  }

  /** Sets what no variable has set. */
  setDefault(path: Path, value: Tree): void {
    if (!this.has(path)) this.replace(path, value)
  }

  replace(path: Path, value: Tree): void {
    let node = this.tree
    for (const part of path.slice(0, -1)) {
      node[part] ??= {}
      node = node[part] as TreeMap
    }
    node[path.at(-1)!] = value
  }

  place(path: Path): Place {
    const wanted = formatPath(path)
    let best: Binding | null = null
    for (const binding of this.#bindings) {
      const fits = wanted.startsWith(binding.path) || binding.path.startsWith(wanted)
      if (fits && (best === null || binding.path.length > best.path.length)) best = binding
      if (binding.path === wanted) return binding.place
    }
    return best?.place ?? { line: 0, column: 0, length: 1, excerpt: null }
  }

  refer(path: Path): string {
    return this.place(path).name ?? formatPath(path)
  }

  keys(path: Path): readonly string[] {
    const node = this.#at(path)
    return node !== null && typeof node === 'object' ? Object.keys(node) : []
  }

  has(path: Path): boolean {
    return this.#at(path) !== undefined
  }

  isSecret(): boolean {
    return false
  }

  #bind(path: Path, variable: string, offset: number, length: number): void {
    const column = variable.length + 2 + offset
    const excerpt = `${variable}=${starred(this.#env[variable]!, showingOf(path))}`
    const place = { line: 0, column, length, excerpt, name: variable }
    this.#bindings.push({ path: formatPath(path), place })
  }

  #at(path: Path): Tree | undefined {
    let node: Tree | undefined = this.tree
    for (const part of path) {
      if (node === null || typeof node !== 'object') return undefined
      node = (node as Record<string | number, Tree>)[part]
    }
    return node
  }
}
