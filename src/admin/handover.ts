// What an operator asks about the virtual IP address, from the body of a request to the answer.

import type { HandoverAnswer, HandoverRequest } from '../core/handover.ts'
import { HANDOVER_TIMEOUT_MAX_MS, HANDOVER_TIMEOUT_MS } from '../core/handover.ts'
import type { Answer } from './answer.ts'
import { json, problem } from './answer.ts'
import type { Key } from './change.ts'
import { readWords } from './change.ts'

/** Resolves once what is asked for is over. `from`: address of the client. */
export type HandOver = (request: HandoverRequest, from: string) => Promise<HandoverAnswer>

const keys: Readonly<Record<string, Key>> = {
  stay: { kind: 'flag' },
  back: { kind: 'flag' },
  timeoutMs: { kind: 'number', min: 0, max: HANDOVER_TIMEOUT_MAX_MS },
}

/** @param handOver `null` where there is no virtual IP address */
export async function answerHandover(
  body: unknown,
  handOver: HandOver | null,
  from: string,
): Promise<Answer> {
  const read = readWords(body, keys)
  if (!read.ok) return read.answer
  const { stay = false, back = false } = read.value.flags
  if (stay && back)
    return problem(400, 'Bad request', "Ask for 'stay' or for 'back', not for both.")
  if (handOver === null) {
    const detail = 'This Evenkeel has no virtual IP address: its configuration has no keepalived.'
    return problem(409, 'No virtual IP address', detail)
  }
  const answer = await handOver(
    {
      wish: back ? 'back' : stay ? 'stay' : 'stop',
      timeoutMs: read.value.numbers['timeoutMs'] ?? HANDOVER_TIMEOUT_MS,
    },
    from,
  )
  if (answer.ok) return json(200, { message: answer.message, report: answer.report })
  const { code, message } = answer
  return problem(409, code === 'refused' ? 'Refused' : 'Failed', message, { code })
}
