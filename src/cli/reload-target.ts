// Where the running balancer is, also when the configuration that would tell it has errors: then the
// process is asked all the same, because it says best what is wrong, and keeps a record of it.

import { readFileSync } from 'node:fs'
import { type AdminPlace, type AdminTarget, findAdmin } from './admin-client.ts'
import { findConfig, loadSource } from './find-config.ts'

const DEFAULT_BIND = '127.0.0.1:9900'

/** Where its admin API is. @throws Failure */
export async function findReloadable(target: AdminTarget): Promise<AdminPlace> {
  const source = target.admin === undefined ? findConfig(target.config, process.env) : null
  if (source?.kind !== 'file' || (await loadSource(source, process.env)).ok) {
    return findAdmin(target)
  }
  const bind = await bindOf(source.path)
  return findAdmin(bind === null ? target : { ...target, admin: bind })
}

/** What a file with errors says of `admin.bind`; `null` if that can't be told. */
async function bindOf(path: string): Promise<string | null> {
  const { parseDocument } = await import('yaml')
  try {
    const document = parseDocument(readFileSync(path, 'utf8'))
    if (document.hasIn(['admin', 'bind'])) {
      const bind = document.getIn(['admin', 'bind'])
      return typeof bind === 'string' && !bind.includes('${') ? bind : null
    }
    // Nothing is missing only if everything could be read.
    return document.errors.length === 0 && !document.has('admin') ? DEFAULT_BIND : null
  } catch {
    return null
  }
}
