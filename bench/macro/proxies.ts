// The proxies of the bench, each on one core with one thread, and with the same features: round
// robin over the same backends, keep-alive to them, X-Forwarded-For, -Proto, -Host and Via added,
// Host kept, and health checks every 2 s where the proxy has any (nginx and the Node proxies have none).

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startEvenkeel } from '../../test/support/evenkeel.ts'
import { freePort, isListening } from '../../test/support/ports.ts'
import {
  onCpu,
  runProcess,
  startProcess,
  temporaryFolder,
  waitUntilReady,
} from '../../test/support/processes.ts'
import type { Process } from '../../test/support/processes.ts'
import type { Setup } from './cases.ts'
import { proxyCpu, repository, rivalsFolder } from './places.ts'

/** A proxy that runs. */
export interface Running {
  readonly port: number
  readonly process: Process
}

export interface Proxy {
  readonly name: string
  readonly title: string
  /** Why it cannot run a setup; `null` if it can. */
  lacks(setup: Setup): string | null
  version(): Promise<string>
  start(setup: Setup, backends: readonly string[]): Promise<Running>
}

const streamModule = '/usr/lib/nginx/modules/ngx_stream_module.so'

export const proxies: readonly Proxy[] = [
  {
    name: 'haproxy',
    title: 'HAProxy',
    lacks: () => null,
    version: () => firstMatch('haproxy', ['-v'], /version ([\d.]+)/),
    start: (setup, backends) =>
      startServer('haproxy', setup, (port, folder) => {
        const file = write(folder, 'haproxy.cfg', haproxyConfig(setup, port, backends))
        return ['haproxy', ['-db', '-f', file]]
      }),
  },
  {
    name: 'evenkeel',
    title: 'Evenkeel',
    lacks: () => null,
    async version() {
      const commit = await firstMatch('git', ['-C', repository, 'describe', '--always'], /(.+)/)
      return `${versionOf(join(repository, 'package.json'))} (${commit})`
    },
    async start(setup, backends) {
      const config = evenkeelConfig(setup, backends, temporaryFolder('bench'))
      const evenkeel = await startEvenkeel(config, { cpu: proxyCpu })
      return { port: evenkeel.port(), process: evenkeel.process }
    },
  },
  {
    name: 'nginx',
    title: 'nginx',
    lacks: ({ protocol }) =>
      protocol === 'tcp' && !existsSync(streamModule) ? 'needs libnginx-mod-stream' : null,
    version: () => firstMatch('nginx', ['-v'], /nginx\/([\d.]+)/),
    start: (setup, backends) =>
      startServer('nginx', setup, (port, folder) => {
        const config = setup.protocol === 'http' ? nginxHttp : nginxStream
        const file = write(folder, 'nginx.conf', config(setup, port, backends, folder))
        return ['nginx', ['-p', folder, '-c', file]]
      }),
  },
  {
    name: 'caddy',
    title: 'Caddy',
    lacks: ({ protocol }) => (protocol === 'tcp' ? 'no TCP proxy' : null),
    version: () => firstMatch('caddy', ['version'], /v?([\d.]+)/),
    start: (setup, backends) =>
      startServer('caddy', setup, (port, folder) => {
        const file = write(folder, 'Caddyfile', caddyConfig(setup, port, backends, folder))
        return ['caddy', ['run', '--adapter', 'caddyfile', '--config', file]]
      }),
  },
  {
    name: 'fastify',
    title: '@fastify/http-proxy',
    lacks({ protocol, balance }) {
      if (protocol === 'tcp') return 'no TCP proxy'
      return balance === 'round-robin' ? null : 'round robin only'
    },
    version: () => Promise.resolve(rivalVersion('@fastify/http-proxy')),
    start: (setup, backends) =>
      startServer('fastify', setup, (port, folder) => {
        const log = setup.accessLog ? join(folder, 'access.log') : 'off'
        const program = join(rivalsFolder, 'fastify.js')
        return [process.execPath, [program, String(port), log, ...backends]]
      }),
  },
  {
    name: 'httpxy',
    title: 'httpxy',
    lacks({ protocol, accessLog, balance }) {
      if (protocol === 'tcp') return 'no TCP proxy'
      if (balance !== 'round-robin') return 'round robin only'
      return accessLog ? 'no access log' : null
    },
    version: () => Promise.resolve(rivalVersion('httpxy')),
    start: (setup, backends) =>
      startServer('httpxy', setup, (port) => {
        const program = join(rivalsFolder, 'httpxy.js')
        return [process.execPath, [program, String(port), ...backends]]
      }),
  },
]

/** Starts a server pinned to the proxies' core and waits until it accepts. */
async function startServer(
  name: string,
  setup: Setup,
  command: (port: number, folder: string) => [string, string[]],
): Promise<Running> {
  const port = await freePort()
  const folder = temporaryFolder(`bench-${name}`)
  const [program, args] = command(port, folder)
  const started = startProcess(...onCpu(proxyCpu, program, args), {
    cwd: folder,
    env: { HOME: folder, NODE_ENV: 'production' },
    ...(setup.accessLog ? { outputFile: join(folder, 'stdout.log') } : {}),
  })
  await waitUntilReady(started, name, () => isListening(port))
  return { port, process: started }
}

function haproxyConfig(setup: Setup, port: number, backends: readonly string[]): string {
  const { protocol, accessLog, healthChecks } = setup
  const check = healthChecks ? ' check inter 2s' : ''
  const headers = [
    '  option forwardfor',
    '  http-request set-header X-Forwarded-Proto http',
    '  http-request set-header X-Forwarded-Host %[req.hdr(host)]',
    '  http-request set-header Via "1.1 haproxy"',
  ]
  return lines([
    'global',
    '  maxconn 6000',
    '  nbthread 1',
    ...(accessLog ? ['  log stdout format raw local0'] : []),
    'defaults',
    `  mode ${protocol}`,
    '  timeout connect 5s',
    '  timeout client 60s',
    '  timeout server 60s',
    ...(accessLog ? ['  log global', `  option ${protocol}log`] : []),
    ...(protocol === 'tcp' ? ['  option splice-auto'] : []),
    'frontend web',
    `  bind 127.0.0.1:${port} backlog 4096`,
    '  default_backend web',
    'backend web',
    `  balance ${setup.balance === 'round-robin' ? 'roundrobin' : 'leastconn'}`,
    // Its default gives the first request of each client connection a backend connection of its own.
    ...(protocol === 'http' ? ['  http-reuse always'] : []),
    ...(protocol === 'http' && healthChecks ? ['  option httpchk GET /health'] : []),
    ...(protocol === 'http' ? headers : []),
    ...backends.map((backend, index) => `  server b${index} ${backend}${check}`),
  ])
}

function nginxHttp(
  setup: Setup,
  port: number,
  backends: readonly string[],
  folder: string,
): string {
  return lines([
    ...nginxTop(folder),
    'http {',
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `  ${kind}_temp_path ${folder}/${kind};`,
    ),
    setup.accessLog ? `  access_log ${folder}/access.log;` : '  access_log off;',
    '  keepalive_requests 1000000;',
    '  upstream web {',
    ...(setup.balance === 'round-robin' ? [] : ['    least_conn;']),
    ...backends.map((backend) => `    server ${backend};`),
    '    keepalive 128;',
    '    keepalive_requests 1000000;',
    '  }',
    '  server {',
    `    listen 127.0.0.1:${port} backlog=4096;`,
    '    location / {',
    '      proxy_pass http://web;',
    '      proxy_http_version 1.1;',
    '      proxy_set_header Connection "";',
    '      proxy_set_header Host $http_host;',
    '      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
    '      proxy_set_header X-Forwarded-Proto $scheme;',
    '      proxy_set_header X-Forwarded-Host $http_host;',
    '      proxy_set_header Via "1.1 nginx";',
    '    }',
    '  }',
    '}',
  ])
}

function nginxStream(
  setup: Setup,
  port: number,
  backends: readonly string[],
  folder: string,
): string {
  return lines([
    `load_module ${streamModule};`,
    ...nginxTop(folder),
    'stream {',
    '  upstream web {',
    ...(setup.balance === 'round-robin' ? [] : ['    least_conn;']),
    ...backends.map((backend) => `    server ${backend};`),
    '  }',
    '  server {',
    `    listen 127.0.0.1:${port} backlog=4096;`,
    '    proxy_pass web;',
    '  }',
    '}',
  ])
}

function nginxTop(folder: string): readonly string[] {
  return [
    'daemon off;',
    'user root;',
    'worker_processes 1;',
    `pid ${folder}/nginx.pid;`,
    'error_log stderr warn;',
    'worker_rlimit_nofile 20000;',
    'events { worker_connections 12000; }',
  ]
}

function caddyConfig(
  setup: Setup,
  port: number,
  backends: readonly string[],
  folder: string,
): string {
  return lines([
    '{',
    '  admin off',
    '  auto_https off',
    '}',
    `http://:${port} {`,
    '  bind 127.0.0.1',
    ...(setup.accessLog ? ['  log {', `    output file ${folder}/access.log`, '  }'] : []),
    `  reverse_proxy ${backends.join(' ')} {`,
    `    lb_policy ${setup.balance === 'round-robin' ? 'round_robin' : 'least_conn'}`,
    ...(setup.healthChecks ? ['    health_uri /health', '    health_interval 2s'] : []),
    '    header_up Via "1.1 caddy"',
    '    transport http {',
    '      keepalive_idle_conns_per_host 128',
    '    }',
    '  }',
    '}',
  ])
}

function evenkeelConfig(
  setup: Setup,
  backends: readonly string[],
  folder: string,
): Parameters<typeof startEvenkeel>[0] {
  const access = setup.accessLog
    ? { format: 'json', path: join(folder, 'access.log') }
    : { format: 'off' }
  const check = setup.protocol === 'http' ? { http: { path: '/health' } } : { tcp: {} }
  const addresses = backends.map((backend, index) => [`b${index}`, backend])
  const web =
    setup.protocol === 'http'
      ? { protocol: 'http', routes: [{ pool: 'web' }] }
      : { protocol: 'tcp', pool: 'web' }
  return {
    runtime: { threads: 1 },
    log: { level: 'warn', access },
    listeners: { web },
    pools: {
      web: {
        balance: setup.balance,
        backends: Object.fromEntries(addresses),
        healthCheck: setup.healthChecks ? check : false,
      },
    },
  }
}

async function firstMatch(
  command: string,
  args: readonly string[],
  pattern: RegExp,
): Promise<string> {
  const { stdout, stderr } = await runProcess(command, args)
  return pattern.exec(stdout + stderr)?.[1] ?? 'unknown version'
}

function rivalVersion(name: string): string {
  return versionOf(join(rivalsFolder, 'node_modules', name, 'package.json'))
}

function versionOf(file: string): string {
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  return version
}

function write(folder: string, name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

function lines(parts: readonly string[]): string {
  return `${parts.join('\n')}\n`
}
