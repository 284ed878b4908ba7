// What is wrong with a configuration and where, as data, and its one text form for people.
// Problems speak of paths in the tree; a `Source` knows where in the text a path stands.

export type Path = readonly (string | number)[]
export type Severity = 'error' | 'warning' | 'note'

/** A finding about a place in the tree, before anybody looked up its line. */
export interface Problem {
  readonly severity: Severity
  readonly path: Path
  /** Which half of `key: value` is the culprit. */
  readonly on: 'key' | 'value'
  readonly message: string
  readonly hint: string | null
  /** A second place that belongs to the story, such as the first of two equal addresses. */
  readonly other?: Path
}

/** A finding with its place in the text. */
export interface Diagnostic {
  readonly severity: Severity
  /** As it was named on the command line; `environment` for settings from variables. */
  readonly file: string
  /** From 1; 0 when the finding is about the file as a whole. */
  readonly line: number
  /** From 1, in UTF-16 units; 0 when the finding is about the file as a whole. */
  readonly column: number
  /** Characters to underline, at least 1. */
  readonly length: number
  /** Where in the tree: `pools.web.timeouts.connect`, `listeners.web.routes[0].match`; may be ''. */
  readonly path: string
  readonly message: string
  /** What to do about it. */
  readonly hint: string | null
  /** The line of text that `column` points into. */
  readonly excerpt: string | null
}

/** A stretch of the source text. */
export interface Place {
  readonly line: number
  readonly column: number
  readonly length: number
  readonly excerpt: string | null
  /** Overrides the path of the tree where people know the setting by another name. */
  readonly name?: string
}

/** Where a configuration came from: looks up places in it. */
export interface Source {
  readonly file: string
  place(path: Path, on: 'key' | 'value'): Place
  /** How a sentence refers to the place: `line 4`, or the name of a variable. */
  refer(path: Path): string
  /** Keys of the map at `path` as they were written, which JavaScript objects forget for digits. */
  keys(path: Path): readonly string[]
  /** Whether something was written at `path`, as opposed to filled in by default. */
  has(path: Path): boolean
  /** Whether the value at `path` holds something read from a `${file:...}`, which stays secret. */
  isSecret(path: Path): boolean
}

/** `pools.web.backends[2]`. */
export function formatPath(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (!/^[\w-]+$/.test(part)) text += `[${JSON.stringify(part)}]`
    else text += text === '' ? part : `.${part}`
  }
  return text
}

/** Looks up the place of a problem. */
export function diagnose(problem: Problem, source: Source): Diagnostic {
  const place = source.place(problem.path, problem.on)
  const { other } = problem
  return {
    severity: problem.severity,
    file: source.file,
    line: place.line,
    column: place.column,
    length: place.length,
    path: place.name ?? formatPath(problem.path),
    message: other === undefined ? problem.message : `${problem.message} (${source.refer(other)})`,
    hint: problem.hint,
    excerpt: place.excerpt,
  }
}

/** A diagnostic about a file as a whole, such as one that cannot be read. */
export function aboutFile(file: string, message: string, hint: string | null): Diagnostic {
  return {
    severity: 'error',
    file,
    line: 0,
    column: 0,
    length: 1,
    path: '',
    message,
    hint,
    excerpt: null,
  }
}

const shownMax = 50

/**
 * The text form, one block per finding, ending in a newline:
 * ```
 * evenkeel.yaml:3:12: error: pools.web.timeouts.connect: "5" has no unit
 *     3 |   connect: 5
 *       |            ^
 *   hint: write a number with ms, s, m, h or d, such as 500ms, 2s or 1m30s
 * ```
 */
export function formatDiagnostics(diagnostics: readonly Diagnostic[]): string {
  const blocks = diagnostics.slice(0, shownMax).map(formatOne)
  const more = diagnostics.length - blocks.length
  if (more > 0) blocks.push(`... and ${more} more\n`)
  return blocks.join('')
}

function formatOne(diagnostic: Diagnostic): string {
  const { file, line, column, severity, path, message, hint, excerpt } = diagnostic
  const where = line > 0 ? `${file}:${line}:${column}` : file
  let text = `${where}: ${severity}: ${path === '' ? '' : `${path}: `}${message}\n`
  if (excerpt !== null) {
    const gutter = line > 0 ? String(line).padStart(5) : '     '
    const shown = window(excerpt, Math.max(column, 1) - 1, diagnostic.length)
    text +=
      `${gutter} | ${shown.text}`.trimEnd() +
      `\n      | ${shown.padding}${'^'.repeat(shown.carets)}\n`
  }
  if (hint !== null) text += `  hint: ${hint}\n`
  return text
}

const lineMax = 120

// The part of a line around the culprit, what to put before the carets, and how many of them.
// Control characters are shown as '?' so that a file cannot steer the terminal.
function window(line: string, start: number, length: number) {
  const from = start + length > lineMax ? Math.max(0, start - 40) : 0
  const cut = line.slice(from, from + lineMax)
  // oxlint-disable-next-line no-control-regex -- finding them is the purpose
  const text = cut.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, '?')
  const before = text.slice(0, start - from)
  const under = text.slice(start - from, start - from + length)
  return {
    text,
    padding: before.replace(/[^\t]/gu, (char) => ' '.repeat(columnsOf(char))),
    carets: Math.max(1, columnsOf(under)),
  }
}

const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u

// Columns a terminal gives to a text: two for East Asian letters and emoji.
function columnsOf(text: string): number {
  let columns = 0
  for (const char of text) columns += char.length === 2 || wide.test(char) ? 2 : 1
  return columns
}
