// Where the running balancer is, also when the configuration that would tell it has errors: then the
// process is asked all the same, because it says best what is wrong, and keeps a record of it.

import { readFileSync } from 'node:fs'
import { type AdminPlace, type AdminTarget, findAdmin } from './admin-client.ts'
import { findConfig, loadSource } from './find-config.ts'

const DEFAULT_BIND = '127.0.0.1:9900'

/** Address of the admin API. @throws Failure */
export async function findReloadable(target: AdminTarget): Promise<AdminPlace> {
  const source = target.admin === undefined ? findConfig(target.config, process.env) : null
  if (source?.kind !== 'file' || (await loadSource(source, process.env)).ok) {
    return findAdmin(target)
  }
  return findAdmin({ ...target, admin: (await bindOf(source.path)) ?? DEFAULT_BIND })
}

/** What a file with errors says of `admin.bind`; `null` if that can't be told. */
async function bindOf(path: string): Promise<string | null> {
  const { parseDocument } = await import('yaml')
  try {
    const bind = parseDocument(readFileSync(path, 'utf8')).getIn(['admin', 'bind'])
    return typeof bind === 'string' && !bind.includes('${') ? bind : null
  } catch {
    return null
  }
}
