// Where a running process has its configuration from, to be read again with the same environment.
// A file that isn't one any more, or is without end, must not hold the process up.

import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { aboutFile } from './diagnostics.ts'
import type { Environment } from './environment.ts'
import { failure, type LoadResult } from './evaluate.ts'
import { planFromEnvironment } from './from-environment.ts'
import { loadConfig, parseConfig } from './load.ts'

export interface ConfigOrigin {
  /** For people: the path, or `environment`. */
  readonly name: string
  /** `null`: there is no file to watch. */
  readonly file: string | null
  /** Reads it again. Never throws. */
  read(): LoadResult
  /** Reads a text as if it stood there. Never throws. */
  readText(text: string, name: string): LoadResult
}

/** Far beyond any configuration, and soon read. */
const FILE_BYTES_MAX = 64 * 1024 * 1024

/** A configuration file. */
export function fileOrigin(path: string, env: Environment): ConfigOrigin {
  const folder = dirname(path)
  return {
    name: path,
    file: path,
    read: () => {
      const oddity = oddityOf(path)
      if (oddity === null) return loadConfig(path, env, readPlainFile(folder))
      return failure([aboutFile(path, oddity, 'start Evenkeel from a file to reload it')])
    },
    readText: (text, file) => parseConfig(text, { file, env, readFile: readPlainFile(folder) }),
  }
}

/** `EVENKEEL_*` variables. */
export function environmentOrigin(env: Environment): ConfigOrigin {
  return {
    name: 'environment',
    file: null,
    read: () => planFromEnvironment(env),
    readText: (text, file) => parseConfig(text, { file, env, readFile: readPlainFile('.') }),
  }
}

// A pipe would be waited on, a device read without end. What does not exist is said elsewhere.
function oddityOf(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined || found.isDirectory()) return null
  if (!found.isFile()) return 'is not a regular file, so it cannot be read again'
  return found.size > FILE_BYTES_MAX ? 'is too large to be a configuration' : null
}

function readPlainFile(folder: string): (path: string) => string {
  return (named) => {
    const path = resolve(folder, named)
    const oddity = oddityOf(path)
    if (oddity !== null) throw new Error(`it ${oddity}`)
    return readFileSync(path, 'utf8')
  }
}
