// `${VAR}`, `${VAR:-default}` and `${file:/path}` inside scalar values. Runs after the YAML parser,
// on one value at a time, so that nothing in a variable can add keys or change the structure.

import { nearest } from '../core/nearest.ts'
import { quote } from './units.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface SubstitutionFault {
  readonly message: string
  readonly hint: string | null
  /** The `${...}` as it was written. */
  readonly token: string
}

export interface Substituted {
  readonly text: string
  /** Something in it came from a file, or a variable that sounds secret: it must not be shown. */
  readonly secret: boolean
  readonly faults: readonly SubstitutionFault[]
}

export interface Sources {
  readonly env: Environment
  /** Text of a file; throws what `node:fs` throws. */
  readonly readFile: (path: string) => string
}

const secretToken = /^\$\{(file:|\w*(secret|token|passw|key|auth|credential))/i

const forms = 'write ${NAME}, ${NAME:-default} or ${file:/path}'

/**
 * Replaces every `${...}`. Two dollars before a brace stand for one and end its meaning:
 * `$${X}` is the text `${X}`, and `$$${X}` is `$` followed by the value of X.
 */
export function substitute(text: string, sources: Sources): Substituted {
  let result = ''
  let secret = false
  const faults: SubstitutionFault[] = []
  let at = 0
  for (;;) {
    const opening = /\$+\{/g
    opening.lastIndex = at
    const found = opening.exec(text)
    if (found === null) break
    const dollars = found[0].length - 1
    result += text.slice(at, found.index) + '$'.repeat(dollars >> 1)
    const inside = found.index + dollars + 1
    if (dollars % 2 === 0) {
      result += '{'
      at = inside
      continue
    }
    const end = text.indexOf('}', inside)
    const token = text.slice(inside - 2, end < 0 ? undefined : end + 1)
    const piece = end < 0 ? unclosed() : resolve(text.slice(inside, end), token, sources)
    if (typeof piece === 'string') result += piece
    else faults.push({ ...piece, token })
    if (secretToken.test(token)) secret = true
    at = end < 0 ? text.length : end + 1
  }
  return { text: result + text.slice(at), secret, faults }
}

type Trouble = Omit<SubstitutionFault, 'token'>

function unclosed(): Trouble {
  return { message: '${ has no closing brace', hint: `${forms}; $\${ is a literal \${` }
}

function resolve(content: string, token: string, sources: Sources): string | Trouble {
  if (content.startsWith('file:')) return readSecret(content.slice(5), token, sources)
  const found = /^([A-Za-z_]\w*)(?:(:-)([^]*))?$/.exec(content)
  if (found === null) {
    return { message: `${quote(token)} is not a substitution known here`, hint: forms }
  }
  const [, name, operator, fallback] = found
  if (fallback?.includes('${') === true) {
    return {
      message: `${quote(token)} has another \${ inside it`,
      hint: 'nesting is not supported',
    }
  }
  const value = sources.env[name!]
  if (operator !== undefined && (value === undefined || value === '')) return fallback!
  if (value !== undefined) return value
  const near = nearest(name!, Object.keys(sources.env))
  return {
    message: `the environment variable ${name} is not set`,
    hint:
      near === null
        ? `set it, or give a default: \${${name}:-default}`
        : `did you mean ${near}? Or give a default: \${${name}:-default}`,
  }
}

function readSecret(path: string, token: string, sources: Sources): string | Trouble {
  if (path === '') return { message: `${quote(token)} names no file`, hint: forms }
  try {
    // Editors and `echo` end a file with a newline that is no part of the secret.
    return sources.readFile(path).replace(/\r?\n$/, '')
  } catch (error) {
    return { message: `cannot read ${path}: ${describeFileError(error)}`, hint: null }
  }
}

const fileErrors: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  ELOOP: 'its symbolic links go in a circle',
  EMFILE: 'too many open files',
}

/** What a failed file operation means, in words. */
export function describeFileError(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return fileErrors[code] ?? (error instanceof Error ? error.message : String(error))
}
