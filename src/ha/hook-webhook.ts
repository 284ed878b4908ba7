// A hook that is a web service: one POST with the facts as JSON. 2xx is success; redirects are not
// followed, since a POST that is repeated elsewhere may do something else there.

import type { Dispatcher } from 'undici'
import type { HookPlan } from '../core/plan.ts'
import type { HookEnd, HookMessage } from './hooks.ts'

/** How much of an answer is kept. */
const ANSWER_BYTES_MAX = 1_024

type WebhookPlan = Extract<HookPlan, { kind: 'webhook' }>

/** Starts it; returns what ends it. */
export function callWebhook(
  plan: WebhookPlan,
  message: HookMessage,
  end: (end: HookEnd) => void,
): () => void {
  const abort = new AbortController()
  void call(plan, message, abort).then(end, () => {})
  return () => abort.abort(new Error('cancelled'))
}

async function call(
  plan: WebhookPlan,
  message: HookMessage,
  abort: AbortController,
): Promise<HookEnd> {
  const late = new Error(`was not answered in ${plan.timeoutMs} ms`)
  const timer = setTimeout(() => abort.abort(late), plan.timeoutMs)
  try {
    return await post(plan, message, abort.signal)
  } catch (error) {
    const what = error === late ? late.message : `could not be called (${causeOf(error)})`
    return { ok: false, what, output: '' }
  } finally {
    clearTimeout(timer)
  }
}

async function post(
  plan: WebhookPlan,
  message: HookMessage,
  signal: AbortSignal,
): Promise<HookEnd> {
  const { Agent, request } = await import('undici')
  // A connection of its own, so that a hook never waits behind another or meets a stale one.
  const dispatcher = new Agent({ connections: 1, headersTimeout: 0, bodyTimeout: 0 })
  try {
    const response = await request(plan.url, {
      method: 'POST',
      headers: headersOf(plan, message),
      body: message.json,
      signal,
      dispatcher,
    })
    const { statusCode: status } = response
    const output = await beginning(response, signal)
    const ok = status >= 200 && status < 300
    const moved = status >= 300 && status < 400 ? ', and redirects are not followed,' : ''
    return { ok, what: `answered ${status}${moved}`, output }
  } finally {
    await dispatcher.destroy()
  }
}

function headersOf(plan: WebhookPlan, message: HookMessage): Record<string, string> {
  const headers: Record<string, string> = { 'user-agent': 'evenkeel' }
  for (const { name, value } of plan.headers) headers[name.toLowerCase()] = value
  headers['content-type'] = 'application/json'
  return { ...headers, ...message.headers }
}

async function beginning({ body }: Dispatcher.ResponseData, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    signal.throwIfAborted()
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes >= ANSWER_BYTES_MAX) break
  }
  return Buffer.concat(chunks).subarray(0, ANSWER_BYTES_MAX).toString('utf8')
}

/** A failed fetch may hold one error per address tried. */
function causeOf(error: unknown): string {
  const { code, message, errors } = error as NodeJS.ErrnoException & { errors?: unknown[] }
  if (message === '' && errors !== undefined && errors.length > 0) return causeOf(errors[0])
  return code === undefined || message.includes(code) ? message : `${code}: ${message}`
}
