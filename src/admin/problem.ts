// The closed list of what the admin API can refuse, as problem details (RFC 9457), so that a script
// can act on a code and a person needs no manual. `type` is a path of the API itself, which answers
// with the row; docs/admin-api.md has the same table.

import type { Answer } from './answer.ts'
import { json } from './answer.ts'

type Row = readonly [status: number, title: string, sentence: string]

const rows = {
  'bad-request': [400, 'Bad request', 'Parameters or body are not what the path takes.'],
  'not-json': [415, 'Not JSON', 'A change needs its content type; a page cannot send it unasked.'],
  'head-too-large': [431, 'Head too large', 'The head has more than 8 KiB.'],
  'too-slow': [408, 'Too slow', 'The request was not complete within 2 seconds.'],
  'body-too-large': [413, 'Body too large', 'The body is larger than the path takes.'],
  'not-known': [401, 'Who are you?', 'A token or client certificate is asked for, and none fits.'],
  'no-path': [404, 'No such path', 'There is nothing there; `paths` lists what there is.'],
  'wrong-method': [405, 'Method not allowed', 'The path takes other methods: see `Allow`.'],
  'wrong-host': [421, 'Wrong host', 'The Host field names what strangers could register.'],
  'foreign-origin': [403, 'Foreign origin', 'The page of another site asked for a change.'],
  'read-only': [403, 'Read only', 'Whoever asks may read here, but change nothing.'],
  'no-pool': [404, 'No such pool', 'No pool has this name; `pools` lists them.'],
  'no-ledger': [404, 'No ledger', 'The configuration switches the ledger off.'],
  'no-incident': [404, 'No such incident', 'No incident in the ledger has this id.'],
  'no-trace': [404, 'No such trace', 'No exchange with this id is kept.'],
  'no-target': [404, 'No such target', 'No target of alerts has this name.'],
  'no-backend': [404, 'No such backend', 'No backend of the pool has this name.'],
  'not-standby': [409, 'Not an active-standby pool', 'The pool has no active that could move.'],
  'no-virtual-ip': [409, 'No virtual IP address', 'The configuration has no `keepalived`.'],
  'min-available': [409, 'Too few would be left', 'The pool would fall below `minAvailable`.'],
  'config-invalid': [422, 'Bad configuration', 'The configuration has errors; see `errors`.'],
  'config-refused': [409, 'Not by a reload', 'The change needs a restart; nothing was changed.'],
  changed: [412, 'Changed meanwhile', 'What `If-Match` names is not in force any more.'],
  busy: [409, 'Busy', 'Another change of the kind is under way.'],
  refused: [409, 'Refused', 'It would not be safe; nothing was touched.'],
  failed: [409, 'Failed', 'It was begun, and undone or broken off.'],
  'too-many': [503, 'Too many', 'As many of the kind run as may run at once.'],
  internal: [500, 'Internal error', 'Evenkeel met an error of its own; its log has the stack.'],
} as const satisfies Record<string, Row>

export type ProblemCode = keyof typeof rows

/** A row of the list. */
export interface ProblemRow {
  readonly code: ProblemCode
  readonly status: number
  readonly title: string
  readonly sentence: string
}

/** The whole list in its fixed order. */
export const PROBLEMS: readonly ProblemRow[] = Object.entries(rows).map(
  ([code, [status, title, sentence]]) => ({ code: code as ProblemCode, status, title, sentence }),
)

/** Where the API tells what a code means. */
export const PROBLEM_PATH = '/v1/problems/{code}'

/** An error. `more` holds further members, such as what would have been possible. */
export function problem(
  code: ProblemCode,
  detail: string,
  more: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const [status, title] = rows[code]
  const type = PROBLEM_PATH.replace('{code}', code)
  const body = { type, title, status, detail, code, ...more }
  return { ...json(status, body, headers), type: 'application/problem+json' }
}
