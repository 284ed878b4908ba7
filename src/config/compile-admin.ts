// The admin API of the tree to its plan, and whether it would be open to strangers.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { AdminPlan } from '../core/plan.ts'
import { isLocal } from './address.ts'
import type { Source } from './diagnostics.ts'
import type { Findings } from './findings.ts'
import type { AdminTree } from './schema-admin.ts'

/** Compiles `admin`; `null` where it is switched off. */
export function compileAdmin(
  tree: AdminTree | null,
  source: Source,
  findings: Findings,
): AdminPlan | null {
  if (tree === null) return null
  const { bind: address, metrics = null, tokens, tls } = tree
  const { admin = null, readOnly = null } = tokens
  const plan: AdminPlan = {
    address,
    metrics,
    tokens: { admin, readOnly },
    tls:
      tls === undefined ? null : { cert: tls.cert, key: tls.key, clientCa: tls.clientCa ?? null },
  }
  checkTokens(plan, findings)
  if (plan.tls !== null) checkPair(plan.tls, findings)
  if (source.has(['admin', 'bind'])) checkReach(plan, findings)
  return plan
}

function checkTokens({ address, tokens, tls }: AdminPlan, findings: Findings): void {
  const { admin, readOnly } = tokens
  if (admin !== null && admin === readOnly) {
    findings.error(
      ['admin', 'tokens', 'readOnly'],
      'is the same as admin, so it would change everything',
      'make another one, for instance with: openssl rand -hex 32',
    )
  }
  if (address.kind !== 'unix') return
  const none = 'has no effect on a unix socket: whoever may open it may do everything'
  const hint = 'remove it; the mode of the socket is 0660, and its folder says who gets there'
  if (admin !== null || readOnly !== null) {
    findings.warning(['admin', 'tokens'], none, hint, { on: 'key' })
  }
  if (tls === null) return
  findings.warning(['admin', 'tls'], 'has no effect on a unix socket', hint, { on: 'key' })
}

function checkPair({ cert, key }: NonNullable<AdminPlan['tls']>, findings: Findings): void {
  // On the section: what is said of a value out of a file is kept back, as it may quote a secret.
  const error = (message: string, hint: string): void =>
    findings.error(['admin', 'tls'], message, hint, { on: 'key' })
  const certificate = attempt(() => new X509Certificate(cert))
  if (certificate === null) {
    error('cert is no certificate that can be read', 'is it cut off?')
  }
  const secret = attempt(() => createPrivateKey(key))
  if (secret === null) {
    const hint = 'it begins with -----BEGIN PRIVATE KEY-----, and has no passphrase'
    error('key is no key that can be read', hint)
  }
  if (certificate === null || secret === null || certificate.checkPrivateKey(secret)) return
  error(
    'key is not the one of this certificate',
    'give both from one pair; the first certificate of the file is its own',
  )
}

function attempt<T>(make: () => T): T | null {
  try {
    return make()
  } catch {
    return null
  }
}

// Who reaches an address off this machine is anybody, until he proves who he is.
function checkReach({ address, tokens, tls }: AdminPlan, findings: Findings): void {
  if (isLocal(address)) return
  const hasTokens = tokens.admin !== null || tokens.readOnly !== null
  const hasClients = tls !== null && tls.clientCa !== null
  if (!hasTokens && !hasClients) {
    findings.error(
      ['admin', 'bind'],
      'whoever reaches this address could read and steer Evenkeel: nothing is asked for',
      'bind it to 127.0.0.1 or unix:/path (with metrics: 0.0.0.0:9901 for probes and scrapes), or set admin.tokens, or admin.tls.clientCa',
    )
    return
  }
  if (tls === null) {
    findings.warning(
      ['admin', 'bind'],
      'tokens cross the network readable, so who listens in may use them',
      'set admin.tls with cert and key, or bind it to 127.0.0.1 and use an SSH tunnel',
    )
  }
}
