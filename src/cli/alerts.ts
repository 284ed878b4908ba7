// `evenkeel alerts`: what fires, what may, whether those who should hear of it can be reached; and a
// message that tries one of them out.

import { Argument, Command } from 'commander'
import type { AlertsAnswer } from '../admin/alert-routes.ts'
import type { AdminTarget } from './admin-client.ts'
import { detailOf, findAdmin, messageOf, postAdmin, readAnswer } from './admin-client.ts'
import { loginName, outputOption, withAdminOptions } from './admin-options.ts'
import { formatAge } from './age.ts'
import { table } from './table.ts'
import { EXIT, Failure, harmless, paint, put, say, wantsColor } from './terminal.ts'

interface AlertsOptions extends AdminTarget {
  readonly output: 'text' | 'json'
}

/** A target may take ten minutes; the API itself gives up after 120 s. */
const WAIT_MS = 125_000

export function alertsCommand(finish: (code: number) => void): Command {
  const command = new Command('alerts')
    .description('Show the alerts of a running balancer, or try out who is told of them.')
    .addArgument(new Argument('[VERB]', 'what to do (default: list)').choices(['list', 'test']))
    .argument('[TARGET]', 'test: a name under alerts.notify')
  return withAdminOptions(command)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  evenkeel alerts
  evenkeel alerts test ops
  evenkeel alerts -o json | jq '.alerts[] | select(.state == "firing").message'`,
    )
    .action(async (...words: unknown[]) => {
      const [verb = 'list', target, options] = words as [
        string | undefined,
        string | undefined,
        AlertsOptions,
      ]
      finish(verb === 'test' ? await test(target, options) : await list(target, options))
    })
}

async function list(target: string | undefined, options: AlertsOptions): Promise<number> {
  if (target !== undefined) throw new Failure('list takes no target', EXIT.usage)
  const body = await readAnswer(await findAdmin(options), '/v1/alerts')
  const answer = JSON.parse(body, harmless) as AlertsAnswer
  const text = formatAlerts(answer, Date.now(), wantsColor(process.stdout))
  put(options.output === 'json' ? body : text)
  return EXIT.ok
}

async function test(target: string | undefined, options: AlertsOptions): Promise<number> {
  if (target === undefined) throw new Failure('say which target: alerts test ops', EXIT.usage)
  const path = `/v1/alerts/targets/${encodeURIComponent(target)}/test`
  const reply = await postAdmin(await findAdmin(options), path, { by: loginName() }, WAIT_MS)
  if (options.output === 'json') put(reply.body)
  if (reply.status !== 200) {
    say(`evenkeel: ${detailOf(reply.body)}`)
    return EXIT.failed
  }
  if (options.output === 'text') put(`${messageOf(reply.body)}\n`)
  return EXIT.ok
}

const TINTS = { critical: 'red', warning: 'yellow', info: 'green' } as const

/** The answer as a page; `nowMs` is wall clock. */
function formatAlerts(
  { alerts, targets, rules }: AlertsAnswer,
  nowMs: number,
  color: boolean,
): string {
  if (rules.length === 0 && targets.length === 0) {
    return 'nobody is told of anything: the configuration has no alerts\n'
  }
  const rows = alerts.map((alert) => {
    const { rule, severity, state, since, firedAt, message, clearing, silenced, times } = alert
    const notes = [
      ...(clearing ? ['about to be over'] : []),
      ...(silenced === null ? [] : [`silent: ${silenced}`]),
      ...(times > 1 ? [`${times} times`] : []),
    ]
    return [
      paint(state, state === 'firing' ? TINTS[severity] : 'dim', color),
      rule,
      severity,
      formatAge(Math.max(0, nowMs - (firedAt ?? since))),
      notes.length === 0 ? message : `${message} (${notes.join(', ')})`,
    ]
  })
  const lines = rows.length === 0 ? ['nothing fires'] : table(rows, new Set([3]))
  const reached = targets.map(({ name, kind, waiting, delivered, failed, dropped, trouble }) => {
    const lost = failed + dropped
    const parts = [
      `${delivered} delivered`,
      ...(waiting > 0 ? [`${waiting} waiting`] : []),
      ...(lost > 0 ? [paint(`${lost} lost`, 'red', color)] : []),
      ...(trouble === null ? [] : [paint(trouble, 'yellow', color)]),
    ]
    return [`to ${name}`, kind, parts.join(', ')]
  })
  return `${[...lines, '', ...table(reached, new Set())].join('\n')}\n`
}
