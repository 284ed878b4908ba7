// `evenkeel events`: what happens in a running balancer, as it happens.

import { Command } from 'commander'
import type { BalancerEvent } from '../core/events.ts'
import type { Log } from '../observe/log.ts'
import { logEvent } from '../runtime/event-lines.ts'
import type { AdminPlace, AdminTarget } from './admin-client.ts'
import { checked, detailOf, findAdmin, openAdmin, readAnswer, typeOf } from './admin-client.ts'
import { outputOption, withAdminOptions } from './admin-options.ts'
import type { Color } from './terminal.ts'
import { EXIT, Failure, paint, plain, put, say, wantsColor } from './terminal.ts'

interface EventsOptions extends AdminTarget {
  readonly kinds?: string
  readonly recent: boolean
  readonly output: 'text' | 'json'
}

/** The API says something every 15 s, be it that it is here. */
const SILENCE_MS = 40_000
/** How soon to come back when the connection ends. */
const RETRY_MS = 2_000

export function eventsCommand(finish: (code: number) => void): Command {
  const command = new Command('events')
    .description('Follow what happens in a running balancer: states, moves, changes by operators.')
    .option('--recent', 'show what happened of late, and end', false)
    .option('--kinds <LIST>', 'only these, such as transition,move,operator')
  return withAdminOptions(command)
    .addOption(outputOption(['text', 'json'], 'form of the result: json is one object a line'))
    .addHelpText(
      'after',
      `
It goes on until it is stopped (Ctrl-C), and comes back by itself after a restart of the balancer.

Examples:
  evenkeel events
  evenkeel events --recent --kinds operator      who changed what
  evenkeel events -o json | jq -r 'select(.kind == "move").report.to'`,
    )
    .action(async (options: EventsOptions) => {
      const place = await findAdmin(options)
      if (options.recent) await showRecent(place, options)
      else await follow(place, options)
      finish(EXIT.ok)
    })
}

async function showRecent(place: AdminPlace, options: EventsOptions): Promise<void> {
  const body = await readAnswer(place, `/v1/events/recent${queryOf(options)}`)
  const { events } = JSON.parse(body) as { events: readonly BalancerEvent[] }
  for (const event of events) show(event, options)
}

async function follow(place: AdminPlace, options: EventsOptions): Promise<void> {
  let last: string | null = null
  let wasThere = false
  let told = ''
  for (;;) {
    try {
      for await (const sent of readEvents(place, options, last)) {
        wasThere = true
        told = ''
        if (sent.id !== null) last = sent.id
        if (sent.kind === 'gap') say('evenkeel: some events are lost; the next ones are newer')
        else if (sent.data !== '') show(JSON.parse(sent.data) as BalancerEvent, options)
      }
      say('evenkeel: the balancer ended the stream; waiting for it')
    } catch (error) {
      // A wrong address or token is told at once; who was there may come back.
      if (!wasThere || !(error instanceof Failure)) throw error
      if (error.message !== told) say(`evenkeel: ${error.message}; trying again`)
      told = error.message
    }
    await new Promise((resolve) => {
      setTimeout(resolve, RETRY_MS)
    })
  }
}

interface Sent {
  readonly id: string | null
  readonly kind: string
  /** Empty: the stream has begun. */
  readonly data: string
}

async function* readEvents(
  place: AdminPlace,
  options: EventsOptions,
  last: string | null,
): AsyncGenerator<Sent> {
  const response = await openAdmin(place, {
    method: 'GET',
    path: `/v1/events${queryOf(options)}`,
    ...(last === null ? {} : { headers: { 'last-event-id': last } }),
    timeoutMs: SILENCE_MS,
  })
  response.setEncoding('utf8')
  const status = response.statusCode ?? 0
  checked(place, { status, type: typeOf(response) }, 'text/event-stream')
  if (status !== 200) {
    let body = ''
    for await (const chunk of response) body += String(chunk)
    throw new Failure(detailOf(body))
  }
  yield { id: null, kind: '', data: '' }
  let rest = ''
  try {
    for await (const chunk of response) {
      const blocks = (rest + String(chunk)).split('\n\n')
      rest = blocks.pop()!
      for (const block of blocks) {
        const sent = readBlock(block)
        if (sent !== null) yield sent
      }
    }
  } catch {
    // Cut off: the same as its end.
  }
}

/** An event of the stream; `null` for a comment. */
function readBlock(block: string): Sent | null {
  const fields = new Map(
    block.split('\n').map((line) => {
      const at = line.indexOf(': ')
      return [line.slice(0, at), line.slice(at + 2)]
    }),
  )
  const data = fields.get('data')
  if (data === undefined) return null
  return { id: fields.get('id') ?? null, kind: fields.get('event') ?? '', data }
}

function queryOf({ kinds }: EventsOptions): string {
  return kinds === undefined ? '' : `?kinds=${encodeURIComponent(kinds)}`
}

function show(event: BalancerEvent, { output }: EventsOptions): void {
  if (output === 'json') put(`${JSON.stringify(event)}\n`)
  else put(`${formatEvent(event, wantsColor(process.stdout))}\n`)
}

const tints: Readonly<Record<'debug' | 'info' | 'warn' | 'error', Color>> = {
  debug: 'dim',
  info: 'green',
  warn: 'yellow',
  error: 'red',
}

/** `2026-11-21 10:30:00Z backend web/b is down: connection refused`: the log's words. */
function formatEvent(event: BalancerEvent, color: boolean): string {
  const at = new Date(event.at).toISOString().slice(0, 19).replace('T', ' ')
  let line = ''
  const keep =
    (level: keyof typeof tints) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      const { reason, result } = fields
      const why = typeof result === 'string' ? result : reason
      const rest = typeof why === 'string' && why !== '' ? ` (${plain(why)})` : ''
      line = `${paint(plain(message), tints[level], color)}${rest}`
    }
  const log: Log = {
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    close: async () => {},
  }
  logEvent(log, event)
  return `${paint(`${at}Z`, 'dim', color)} ${line}`
}
