// Every key of a configuration: what it means, which values it takes, and its default; pools and
// routes in files of their own. Defaults are written in the schema and nowhere else. What two keys
// say together is checked in compile-*.ts, not here.

import { isIP } from 'node:net'
import { z } from 'zod'
import { readBind, readBlock } from './address.ts'
import {
  addressJson,
  duration,
  either,
  flag,
  integer,
  listOf,
  map,
  named,
  off,
  pathJson,
  size,
  text,
  word,
} from './leaf.ts'
import { readAbsolutePath } from './outside-values.ts'
import { adminSchema } from './schema-admin.ts'
import { alertsSchema } from './schema-alerts.ts'
import { clusterSchema } from './schema-cluster.ts'
import { poolSchema } from './schema-pool.ts'
import { roleSchema, routeSchema } from './schema-route.ts'
import { tracingSchema } from './schema-tracing.ts'
import { accept, day, hour, quote, type Reading, readInteger, refuse } from './units.ts'

const kibibyte = 1024

const accessFormats = ['json', 'haproxy', 'combined', 'off'] as const

function readThreads(text: string): Reading<number | 'auto'> {
  if (text === 'auto') return accept('auto' as const)
  const number = readInteger(text, 1, 256)
  return number.ok ? number : refuse(number.message, 'write auto, or a number from 1 to 256')
}

function readVip(text: string): Reading<string> {
  const [address = ''] = text.split('/')
  if (text !== address && isIP(address) > 0) {
    return refuse(`${quote(text)} has a prefix length`, `write ${address}`)
  }
  return isIP(text) > 0 ? accept(text) : refuse(`${quote(text)} is not an IP address`)
}

const runtime = map({
  threads: text('auto, or a number of threads', readThreads, { type: ['string', 'integer'] })
    .prefault('auto')
    .describe('Data threads. auto is one per core (before Node 22.12: one).'),
  drain: duration(0, hour)
    .prefault('8s')
    .describe('How long a graceful stop waits for what is under way.'),
  stateDir: text('a directory', readAbsolutePath)
    .optional()
    .describe('Directory for what must survive a restart: who is active, and since which epoch.'),
  watch: flag()
    .prefault(false)
    .describe('Apply the configuration file by itself whenever it changes.'),
})

const keepalived = map({
  trackFile: text('an absolute path', readAbsolutePath, pathJson)
    .prefault('/run/evenkeel/track')
    .describe('File that tells keepalived whether this Evenkeel should have the address.'),
  vip: text('an IP address', readVip, { type: 'string' }).describe('The virtual IP address.'),
  handover: duration(0, hour)
    .prefault('10s')
    .describe('How long a stop waits for the address to leave before it drains; 0: not at all.'),
})

const ledger = map({
  path: text('an absolute path', readAbsolutePath, pathJson)
    .optional()
    .describe('The file. Absent: ledger.jsonl in runtime.stateDir; without that, in memory only.'),
  keep: duration(day, 4_000 * day)
    .prefault('400d')
    .describe('What is older is removed, a file at a time.'),
  maxSize: size(kibibyte * kibibyte, 16 * 1024 * kibibyte * kibibyte)
    .prefault('64MiB')
    .describe('All files of the ledger together; the oldest are removed.'),
})

const log = map({
  level: word(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .prefault('info')
    .describe('The least grave messages to write.'),
  access: either('a format, or a map with format and path', [
    word(accessFormats).transform((format) => ({ format, path: undefined })),
    map({
      format: word(accessFormats)
        .prefault('json')
        .describe('Form of a line: json, haproxy, combined, or off for no access log.'),
      path: text('a path').optional().describe('File to append to; standard output if absent.'),
    }),
  ])
    .prefault({})
    .describe('The access log. A format alone is short for { format }.'),
})

const listener = map(
  {
    bind: text('an address such as 127.0.0.1:8080', readBind, addressJson).describe(
      'Where to accept: host:port, :port for all addresses, or unix:/path.',
    ),
    protocol: word(['http', 'tcp'])
      .prefault('http')
      .describe('http reads requests and routes them; tcp forwards bytes.'),
    routes: z
      .array(routeSchema, { error: () => 'a list of routes' })
      .optional()
      .describe('http only. The first route that matches wins.'),
    pool: text('the name of a pool')
      .optional()
      .describe('The pool for everything: for tcp, and for http in place of routes.'),
    role: roleSchema,
    trustForwarded: listOf(
      text('an address block', readBlock),
      'an address block, or a list of them',
    )
      .prefault([])
      .describe('http only. Peers whose X-Forwarded-* headers are believed and appended to.'),
    forwarded: flag()
      .prefault(false)
      .describe('http only. Also write the RFC 7239 Forwarded header.'),
    maxConnections: integer(1, 10_000_000)
      .prefault(100_000)
      .describe('Open client connections over all threads; further ones are closed at once.'),
    limits: map({
      head: size(kibibyte, 1024 * kibibyte)
        .prefault('32KiB')
        .describe('Largest request head; 431 beyond.'),
      target: size(256, 64 * kibibyte)
        .prefault('8KiB')
        .describe('Longest request target; 414 beyond.'),
    })
      .prefault({})
      .describe('http only. Sizes of what clients send.'),
    timeouts: map({
      requestHead: duration(1, hour)
        .prefault('10s')
        .describe('From the first byte of a request head to its last.'),
      keepAlive: duration(1, day)
        .prefault('60s')
        .describe('How long a client connection may stay open between requests.'),
    })
      .prefault({})
      .describe('http only. How long clients may take.'),
  },
  'a listener: a map with bind and pool or routes',
)

/** The whole configuration. Input is a tree of texts, output has numbers in the plan's units. */
export const configSchema = map({
  runtime: runtime.prefault({}).describe('The process.'),
  admin: either('false, or a map with bind', [off(null), adminSchema])
    .prefault({})
    .describe('The admin API. false: none.'),
  keepalived: keepalived
    .optional()
    .describe('A virtual IP address that keepalived holds on one of several Evenkeels.'),
  log: log.prefault({}).describe('What is written about itself, and about requests.'),
  ledger: either('false, or a map with path, keep and maxSize', [off(null), ledger])
    .prefault({})
    .describe('The record of incidents, moves and availability. false: none.'),
  tracing: either('false, or a map with sample, slow and ring', [off(null), tracingSchema])
    .prefault({})
    .describe('Exchanges that can be looked at afterwards. false: none.'),
  alerts: alertsSchema.optional().describe('Whom to tell when something is wrong.'),
  listeners: named(listener, 'a map from names to listeners').describe('Where clients come in.'),
  pools: named(poolSchema, 'a map from names to pools')
    .prefault({})
    .describe('Where requests go: groups of backends with one policy.'),
  cluster: clusterSchema
    .optional()
    .describe('Several Evenkeels that agree on who is active, by way of etcd.'),
}).meta({
  title: 'Evenkeel configuration',
  // Places for YAML anchors, ignored by the program.
  patternProperties: { '^x-': true },
})

export type ConfigTree = z.output<typeof configSchema>
export type ListenerTree = z.output<typeof listener>
