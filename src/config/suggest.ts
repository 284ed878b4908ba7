// Words that other proxies use for ours, and hints that list what is accepted.

import { nearest } from '../core/nearest.ts'

/** Words of HAProxy, nginx, Envoy, Traefik and Caddy for keys that have another name here. */
export const foreignWords: Readonly<Record<string, string>> = {
  frontend: 'listeners',
  frontends: 'listeners',
  entrypoint: 'listeners',
  entrypoints: 'listeners',
  server: 'listeners or pools',
  servers: 'backends',
  upstream: 'pools',
  upstreams: 'pools',
  cluster: 'pools',
  clusters: 'pools',
  services: 'pools',
  node: 'backends',
  nodes: 'backends',
  targets: 'backends',
  endpoints: 'backends',
  hosts: 'backends',
  listen: 'bind',
  address: 'bind',
  algorithm: 'balance',
  strategy: 'balance',
  lb: 'balance',
  policy: 'balance',
  check: 'healthCheck',
  healthchecks: 'healthCheck',
  postgresql: 'postgres',
  pgsql: 'postgres',
  mariadb: 'mysql',
  valkey: 'redis',
  rules: 'routes',
  locations: 'routes',
  vhosts: 'routes',
  retries: 'retry',
  workers: 'threads',
  passivehealthcheck: 'outlierDetection',
  expectedstatus: 'status',
  uri: 'path',
  prefix: 'path',
  pathprefix: 'path',
  methods: 'method',
  headers: 'header',
  code: 'status',
  url: 'location',
  to: 'location',
}

/** A hint that lists what is accepted, nearest first when there is one. */
export function suggest(word: string, candidates: readonly string[], what: string): string {
  const near = nearest(word, candidates)
  if (near !== null) return `did you mean ${near}?`
  if (candidates.length === 0) return `there are no ${what}`
  const shown = candidates.slice(0, 12).join(', ')
  return `${what}: ${shown}${candidates.length > 12 ? ', ...' : ''}`
}
