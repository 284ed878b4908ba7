// What tests of upgrades share: asking, upgrading, and telling processes apart.

import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import type { Evenkeel } from './evenkeel.ts'
import { mainFile } from './evenkeel.ts'
import { runProcess } from './processes.ts'

export interface Answer {
  readonly status: number
  readonly body: string
  readonly connection: string | undefined
}

/** One request, and the whole answer. */
export async function ask(options: RequestOptions | string): Promise<Answer> {
  const request = typeof options === 'string' ? get(options, { agent: false }) : get(options)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let body = ''
  response.setEncoding('utf8').on('data', (text: string) => (body += text))
  await once(response, 'end')
  return { status: response.statusCode!, body, connection: response.headers.connection }
}

/** What `evenkeel upgrade` says. */
export async function upgrade(running: Evenkeel, ...words: string[]) {
  const admin = running.adminUrl.slice('http://'.length)
  const args = [mainFile, 'upgrade', '--admin', admin, ...words]
  return runProcess(process.execPath, args, { env: { NO_COLOR: '1' } })
}

/** The process that has the admin API now. */
export async function pidOf(running: Evenkeel): Promise<number> {
  const { body } = await ask(`${running.adminUrl}/v1/version`)
  return (JSON.parse(body) as { pid: number }).pid
}

/** Settles when the process that was started first has ended; the next may still run. */
export function ended(running: Evenkeel): Promise<unknown> {
  const { child } = running.process
  return child.exitCode === null ? once(child, 'exit') : Promise.resolve()
}
