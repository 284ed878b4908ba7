// The line of `evenkeel status` about a configuration that is in force for a time only.

import type { ConfigStatus } from '../core/reload.ts'
import { type AdminPlace, readAdmin } from './admin-client.ts'
import { formatAge } from './age.ts'
import { harmless } from './terminal.ts'

/** Empty if none waits for a confirmation, or if that can't be told. */
export async function pendingLine(place: AdminPlace): Promise<string> {
  const reply = await readAdmin(place, '/v1/config/status')
  // An older process knows no such path.
  if (reply.status !== 200) return ''
  const { version, pending } = JSON.parse(reply.body, harmless) as ConfigStatus
  if (pending === null) return ''
  const { by, trouble } = pending
  const when =
    trouble === null
      ? `is taken back in ${formatAge(pending.revertsInMs)}`
      : `could not be taken back yet (${trouble}) and is tried again`
  return `configuration ${version} ${when} unless it is confirmed (evenkeel confirm); applied by ${by}\n\n`
}
