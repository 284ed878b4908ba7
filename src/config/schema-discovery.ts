// The keys of a pool's `discovery`, with their defaults.

import { isIP } from 'node:net'
import { z } from 'zod'
import { readBackendAddress, readBlock } from './address.ts'
import { addressJson, duration, flag, integer, listOf, map, pathJson, text, word } from './leaf.ts'
import { readAbsolutePath } from './outside-values.ts'
import { accept, hour, quote, type Reading, readInteger, refuse, second } from './units.ts'

// RFC 1123 labels, and underscores because SRV names begin with them.
function readDnsName(text: string): Reading<string> {
  if (isIP(text) > 0) return refuse(`${quote(text)} is an address`, 'put it among the backends')
  const labels = text.replace(/\.$/, '').split('.')
  const isName = text.length <= 253 && labels.every((one) => /^[a-z0-9_-]{1,63}$/i.test(one))
  return isName ? accept(text) : refuse(`${quote(text)} is not a DNS name`)
}

function readDnsServer(text: string): Reading<string> {
  const bare = text.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) > 0) return accept(isIP(bare) === 6 ? `[${bare}]:53` : `${bare}:53`)
  const found = readBackendAddress(text)
  if (found.ok && found.value.kind === 'tcp' && isIP(found.value.host) > 0) return accept(text)
  return refuse(`${quote(text)} is not an IP address`, 'write 10.0.0.2 or 10.0.0.2:53')
}

function readDnsLabel(text: string): Reading<string> {
  const isLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text)
  return isLabel
    ? accept(text)
    : refuse(`${quote(text)} is not a name in Kubernetes`, 'lower case letters, digits and -')
}

function readPort(text: string): Reading<string | number> {
  if (/^\d+$/.test(text)) return readInteger(text, 1, 65_535)
  const isName = /^[a-z0-9-]{1,63}$/i.test(text)
  return isName ? accept(text) : refuse(`${quote(text)} is neither a port nor the name of one`)
}

function readHttpsUrl(text: string): Reading<string> {
  const isUrl = /^https:\/\/[^\s/]+\/?$/.test(text) && URL.canParse(text)
  return isUrl ? accept(text) : refuse(`${quote(text)} is not an https URL`)
}

const dns = map({
  name: text('a DNS name', readDnsName).describe('The name to ask for, such as api.internal.'),
  type: word(['A', 'AAAA', 'SRV'])
    .optional()
    .describe('Records to ask for. Absent: A and AAAA. SRV records bring ports and weights.'),
  port: integer(1, 65_535).optional().describe('Port of every backend; not with SRV.'),
  servers: listOf(
    text('an IP address such as 10.0.0.2 or 10.0.0.2:53', readDnsServer, { type: 'string' }),
    'a DNS server, or a list of them',
  )
    .prefault([])
    .describe('DNS servers to ask. Absent: those of the system.'),
  ttlMin: duration(100, hour)
    .prefault('1s')
    .describe('Records with a shorter TTL are kept this long.'),
  ttlMax: duration(second, 24 * hour)
    .prefault('60s')
    .describe('Records with a longer TTL are asked for again after this.'),
})

const file = map({
  path: text('an absolute path', readAbsolutePath, pathJson).describe(
    'A YAML or JSON list of addresses; read again whenever it changes.',
  ),
})

const docker = map({
  socket: text('an absolute path', readAbsolutePath, pathJson)
    .prefault('/var/run/docker.sock')
    .describe('Unix socket of the Docker API.'),
  network: text('a name')
    .optional()
    .describe('Network whose addresses are used. Absent: the only one of the container.'),
  label: text('a label, or label=value')
    .optional()
    .describe('A further label that containers must have.'),
  port: integer(1, 65_535)
    .optional()
    .describe('Port of containers without evenkeel.port. Absent: their only exposed one.'),
})

const kubernetes = map({
  service: text('the name of a service', readDnsLabel).describe('The service whose endpoints.'),
  namespace: text('a namespace', readDnsLabel)
    .optional()
    .describe("Its namespace. Absent: the one of this pod's service account."),
  port: text('a port, or the name of one', readPort, { type: ['string', 'integer'] })
    .optional()
    .describe('Port of the endpoints, by number or name. Absent: the only one.'),
  server: text('an https URL', readHttpsUrl)
    .optional()
    .describe("Address of the Kubernetes API. Absent: the cluster's own, from the environment."),
  tokenFile: text('an absolute path', readAbsolutePath, pathJson)
    .optional()
    .describe('File with the token. Absent: that of the service account.'),
  caFile: text('an absolute path', readAbsolutePath, pathJson)
    .optional()
    .describe('File with the authority (PEM). Absent: that of the service account.'),
})

export const discoverySchema = map(
  {
    dns: dns.optional().describe('From the records of a DNS name.'),
    file: file.optional().describe('From a file.'),
    docker: docker.optional().describe('From the labels of containers.'),
    kubernetes: kubernetes.optional().describe('From the endpoints of a Kubernetes service.'),
    seed: z
      .array(text('an address such as 10.0.0.1:8080', readBackendAddress, addressJson), {
        error: () => 'a list of addresses',
      })
      .prefault([])
      .describe('Backends until the first answer has come.'),
    allowEmpty: flag()
      .prefault(false)
      .describe('An empty answer empties the pool. false: the last known backends stay.'),
    maxMembers: integer(1, 10_000)
      .prefault(1000)
      .describe('Backends taken from one source, at most.'),
    allow: listOf(text('an address block', readBlock), 'an address block, or a list of them')
      .optional()
      .describe('Blocks whose addresses may be backends. Absent: all but loopback and link-local.'),
  },
  'a map with dns, file, docker or kubernetes',
)

export type DiscoveryTree = z.output<typeof discoverySchema>
