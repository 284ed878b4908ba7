// The configuration file: read, parsed, validated, compiled. All errors at once, never an exception.

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { aboutFile, diagnose, type Diagnostic } from './diagnostics.ts'
import { depthExceededAt, parseYaml, type Tree } from './document.ts'
import { describeFileError, type Environment } from './environment.ts'
import { evaluate, failure, type LoadResult } from './evaluate.ts'

export interface ParseOptions {
  /** What diagnostics call the text. */
  readonly file: string
  readonly env: Environment
  /** Reads what `${file:...}` names; by default from disk, relative to the directory of `file`. */
  readonly readFile?: (path: string) => string
}

/**
 * Loads a configuration file. Reads it, and the files it names, and nothing else.
 * @param readFile reads the files it names, as in `ParseOptions`
 */
export function loadConfig(
  path: string,
  env: Environment,
  readFile?: ParseOptions['readFile'],
): LoadResult {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    return failure([
      aboutFile(path, `cannot be read: ${describeFileError(error)}`, hintFor(error, path)),
    ])
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return failure([aboutFile(path, 'is not UTF-8 text', 'save it as UTF-8')])
  }
  return parseConfig(text, { file: path, env, ...(readFile === undefined ? {} : { readFile }) })
}

function hintFor(error: unknown, path: string): string | null {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'name the file with -c FILE; conf/quickstart.yaml is one to begin with'
    case 'EISDIR':
      return `name a file in it, such as ${path.replace(/\/$/, '')}/evenkeel.yaml`
    case 'EACCES':
    case 'EPERM':
      return 'let the user that runs Evenkeel read it'
    default:
      return null
  }
}

/** Parses the text of a configuration. */
export function parseConfig(text: string, options: ParseOptions): LoadResult {
  const { file, env } = options
  const readFile =
    options.readFile ?? ((path: string) => readFileSync(resolve(dirname(file), path), 'utf8'))
  const line = depthExceededAt(text)
  if (line > 0) {
    const where = { ...aboutFile(file, 'nests too deeply', null), line, column: 1 }
    return failure([where])
  }
  const { tree, source, diagnostics, failed } = parseYaml(text, file, { env, readFile })
  if (tree === undefined) return failure(diagnostics)
  if (tree === null || typeof tree !== 'object' || Array.isArray(tree)) {
    if (diagnostics.length > 0) return failure(diagnostics)
    return failure([
      notAMap(tree, (message, hint) => {
        return diagnose({ severity: 'error', path: [], on: 'value', message, hint }, source)
      }),
    ])
  }
  return evaluate({ tree: withoutExtensions(tree as TreeMap), source, diagnostics, failed })
}

type TreeMap = { readonly [key: string]: Tree }

function notAMap(tree: Tree, about: (message: string, hint: string) => Diagnostic): Diagnostic {
  const hint = 'a configuration has the keys listeners and pools; see conf/quickstart.yaml'
  if (tree === null) return about('there is no configuration in this file', hint)
  return about(`expected keys with values, found ${Array.isArray(tree) ? 'a list' : 'text'}`, hint)
}

// Keys that begin with x- hold anchors for the rest of the file.
function withoutExtensions(tree: TreeMap): Tree {
  const result: Record<string, Tree> = Object.create(null)
  for (const [key, value] of Object.entries(tree)) if (!key.startsWith('x-')) result[key] = value
  return result
}
