// `evenkeel explain`: what the running balancer would do with a request, step by step.

import { Command } from 'commander'
import type { Candidate, PoolExplanation } from '../core/explain.ts'
import type { Explanation } from '../route/explain-request.ts'
import type { RouteVerdict } from '../route/explain.ts'
import { type AdminTarget, findAdmin, readAnswer } from './admin-client.ts'
import { outputOption, withAdminOptions } from './admin-options.ts'
import { table } from './table.ts'
import { EXIT, Failure, paint, harmless, put, wantsColor } from './terminal.ts'

interface ExplainOptions extends AdminTarget {
  readonly header: readonly string[]
  readonly listener?: string
  readonly output: 'text' | 'json'
}

export function explainCommand(finish: (code: number) => void): Command {
  const command = new Command('explain')
    .description('Explain what the running balancer would do with a request, without sending it.')
    .argument('[REQUEST]', "such as 'GET https://api.example.com/v1/x'; GET if there is no method")
    .option(
      '-H, --header <LINE>',
      "a header, such as 'Accept: text/html'; may be repeated",
      (line: string, lines: readonly string[]) => [...lines, line],
      [],
    )
    .option('--listener <NAME>', 'where it comes in; a tcp listener needs no REQUEST')
  return withAdminOptions(command)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Exit codes: 0 it would be served or wait, 1 it would be refused, 2 wrong usage.

Examples:
  evenkeel explain http://localhost:8080/
  evenkeel explain 'POST https://api.example.com/v1/users' -H 'X-Tenant: acme'
  evenkeel explain --listener database`,
    )
    .action(async (request: string | undefined, options: ExplainOptions) => {
      finish(await explain(request, options))
    })
}

async function explain(request: string | undefined, options: ExplainOptions): Promise<number> {
  const { header, listener, output } = options
  if (request === undefined && listener === undefined) {
    throw new Failure("name a request, such as 'GET https://api.example.com/v1/x'", EXIT.usage)
  }
  const query = new URLSearchParams()
  if (request !== undefined) {
    const [method, url] = readRequest(request)
    query.set('method', method)
    query.set('url', url)
  }
  if (listener !== undefined) query.set('listener', listener)
  if (header.length > 0) query.set('headers', JSON.stringify(readHeaders(header)))
  const address = await findAdmin(options)
  const body = await readAnswer(address, `/v1/explain?${query.toString()}`)
  const explanation = JSON.parse(body, harmless) as Explanation
  put(output === 'json' ? body : formatExplanation(explanation, wantsColor(process.stdout)))
  return explanation.outcome === 'refused' ? EXIT.failed : EXIT.ok
}

/** `GET https://…`, or a URL alone; without a scheme it is taken for http. */
function readRequest(text: string): [method: string, url: string] {
  const [first = '', second, ...more] = text.trim().split(/\s+/)
  if (more.length > 0) throw new Failure(`what follows ${second}? write 'METHOD URL'`, EXIT.usage)
  const [method, url] = second === undefined ? ['GET', first] : [first.toUpperCase(), second]
  return [method, /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`]
}

function readHeaders(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon <= 0) throw new Failure(`-H '${line}' is not 'Name: value'`, EXIT.usage)
    headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  return headers
}

/** For people. */
function formatExplanation(explanation: Explanation, color: boolean): string {
  const { listener, request, routes, pool, rewritten, policy, fault, summary, outcome } =
    explanation
  const lines = [`listener  ${listener.name}: ${listener.reason}`]
  if (request !== null) {
    lines.push(`request   ${request.method} ${request.path}, host ${request.host}`)
  }
  for (const [i, route] of routes.entries()) {
    lines.push(`${i === 0 ? 'routes  ' : '        '}  ${routeLine(route, color)}`)
  }
  if (rewritten !== null) lines.push(`path      the backend sees ${rewritten}`)
  if (pool !== null) lines.push(...poolLines(pool, color))
  lines.push(...policy.map((line) => `policy    ${line}`))
  lines.push(`result    ${paint(summary, outcome === 'refused' ? 'red' : 'green', color)}`)
  if (fault !== null) lines.push(`          ${fault.sentence} (docs/faults.md#${fault.code})`)
  return `${lines.join('\n')}\n`
}

const marks = { matches: '✓', differs: '✗', passed: '·' } as const

function routeLine({ route, verdict, reason }: RouteVerdict, color: boolean): string {
  const mark = paint(marks[verdict], verdict === 'matches' ? 'green' : 'dim', color)
  return `${mark} ${route}: ${reason}`
}

function poolLines({ pool, mode, balance, candidates }: PoolExplanation, color: boolean): string[] {
  const how = mode === 'active-standby' ? 'its active gets everything' : balance
  const rows = candidates.map((one) => candidateRow(one, color))
  return [
    `pool      ${pool}: ${how}`,
    ...table(rows, new Set([3, 4])).map((row) => `          ${row}`),
  ]
}

function candidateRow(candidate: Candidate, color: boolean): string[] {
  const { backend, address, availability, eligible, share, inFlight, reason } = candidate
  return [
    paint(eligible ? '✓' : '✗', eligible ? 'green' : 'red', color),
    `${backend} ${address}`,
    availability,
    eligible ? `${Math.round(share * 100)} %` : '',
    `${inFlight} running`,
    reason,
  ]
}
