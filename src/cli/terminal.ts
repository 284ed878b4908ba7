// What all commands share about their surroundings: exit codes, errors that are for the user, and
// when colour is wanted. Data goes to standard output, talk to standard error.

/** Exit codes. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const

/** An error that the user can act on: printed as one line, without a stack. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly code: number

  constructor(message: string, code: number = EXIT.failed) {
    super(message)
    this.code = code
  }
}

/** Whether a stream should get colours: a terminal, and nobody objects (no-color.org). */
export function wantsColor(stream: { readonly isTTY?: boolean }): boolean {
  const { NO_COLOR: noColor, TERM: term } = process.env
  return stream.isTTY === true && (noColor === undefined || noColor === '') && term !== 'dumb'
}

export type Color = 'green' | 'yellow' | 'red' | 'dim' | 'bold'

const codes: Readonly<Record<Color, number>> = { green: 32, yellow: 33, red: 31, dim: 2, bold: 1 }

/** The text in a colour, if colour is wanted. */
export function paint(text: string, color: Color, wanted: boolean): string {
  return wanted ? `\u001b[${codes[color]}m${text}\u001b[0m` : text
}

/** One line of talk. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** A text that can't steer the terminal, feign a line or turn its direction. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, '?')
}

/** Reviver of `JSON.parse` for what is shown: all its texts become plain. */
export function harmless(_: string, value: unknown): unknown {
  return typeof value === 'string' ? plain(value) : value
}

let isWatched = false

/** Data, as it is. */
export function put(text: string): void {
  if (!isWatched) process.stdout.on('error', endWithOutput)
  isWatched = true
  process.stdout.write(text)
}

/** Nobody gets the data any more: nothing is left to do. */
function endWithOutput(error: NodeJS.ErrnoException): void {
  // Whoever reads has seen enough, as `head` has.
  if (error.code === 'EPIPE') process.exit(EXIT.ok)
  say(`evenkeel: the result can't be written: ${error.message}`)
  process.exit(EXIT.failed)
}

/**
 * Ends the process with `code` even if something still keeps it, such as a log that nobody reads;
 * by then everything of ours is closed.
 */
export function exitSoon(code: number): void {
  setTimeout(() => process.exit(code), 1_000).unref()
}
