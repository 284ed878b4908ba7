// The program's own log: one JSON object a line on standard error (standard output carries the
// access log), or plain text when a person watches. Written without blocking: if standard error
// isn't read, lines are dropped, because a control plane that waits for its log checks no health.

import { pino } from 'pino'
import type { LogLevel } from '../core/plan.ts'
import { LineSink } from './line-sink.ts'

export type LogFields = Readonly<Record<string, unknown>>

/** What the rest of the program sees of the log. */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** Another least level from here on; a log without levels has none of this. */
  setLevel?(level: LogLevel): void
  /** Writes out what is still buffered and ends; before the process does. */
  close(): Promise<void>
}

export interface LogOptions {
  readonly level: LogLevel
  /** Text for people instead of JSON. */
  readonly pretty?: boolean
  readonly color?: boolean
  /** Takes each finished line instead of standard error. */
  readonly write?: (line: string) => void
}

/** Characters that may wait for a reader of standard error. */
const BUFFER_MAX = 1_048_576
/** How long the last lines may take. */
const LAST_LINES_MS = 1_000

/** Opens the log. */
export function openLog(options: LogOptions): Log {
  const errors = options.write === undefined ? new StandardError() : null
  const put = options.write ?? ((line: string) => errors!.write(line))
  const format = options.pretty === true ? prettyLine : (line: string) => line
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => put(format(line, options.color === true)) },
  )
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    setLevel: (level) => {
      logger.level = level
    },
    close: async () => errors?.close(),
  }
}

/** A log that says nothing. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  async close() {},
}

class StandardError {
  #waiting = 0
  readonly #sink = new LineSink({
    to: 2,
    taken: (_, characters) => {
      this.#waiting -= characters
    },
    failed: () => {},
  })

  write(line: string): void {
    if (this.#waiting + line.length > BUFFER_MAX) return
    this.#waiting += line.length
    this.#sink.write(0, line)
  }

  close(): Promise<void> {
    return this.#sink.close(LAST_LINES_MS)
  }
}

const colors: Readonly<Record<string, string>> = {
  debug: '\u001b[2m',
  info: '\u001b[32m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
  fatal: '\u001b[31m',
}

/** `04:00:55.007 warn  backend is down  pool=web backend=a` */
function prettyLine(line: string, color: boolean): string {
  const { level, time, message, ...fields } = JSON.parse(line) as Record<string, unknown>
  const label = String(level).padEnd(5)
  const shown = color ? `${colors[String(level)] ?? ''}${label}\u001b[0m` : label
  let text = `${String(time).slice(11, 23)} ${shown} ${String(message)}`
  for (const [key, value] of Object.entries(fields)) {
    text += `  ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`
  }
  return `${text}\n`
}
