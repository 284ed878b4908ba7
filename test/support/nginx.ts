// A real nginx in a folder of its own: master and one worker in one process group, so that
// `kill('SIGKILL')` and `kill('SIGSTOP')` hit the whole server, as they would on a machine of its own.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, isListening } from './ports.ts'
import { onCpu, startProcess, temporaryFolder, waitUntilReady } from './processes.ts'
import type { Process } from './processes.ts'

export interface NginxOptions {
  /** Also the body of every answer, so that a test can tell the servers apart. */
  readonly name: string
  readonly port?: number
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string
  /** Body of `GET /` instead of the name. */
  readonly body?: string
  /** Further directives for the `server` block. */
  readonly server?: string
  /** Further directives for the `http` block. */
  readonly http?: string
  /** CPU number to pin the server to. */
  readonly cpu?: number
}

export interface Nginx {
  readonly name: string
  readonly port: number
  readonly address: string
  /** Folder of the files it serves under `/files/`. */
  readonly files: string
  readonly process: () => Process
  /** Sends a signal to master and worker; for SIGKILL it returns when they are gone. */
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  /** Starts it again on the same port and waits until it accepts. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Starts nginx and waits until it accepts connections. Any path answers 200 with the body. */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const port = options.port ?? (await freePort())
  const folder = temporaryFolder('nginx')
  const files = join(folder, 'files')
  mkdirSync(files)
  const config = join(folder, 'nginx.conf')
  writeFileSync(config, render(options, port, folder))
  const start = async (): Promise<Process> => {
    const started = startProcess(...onCpu(options.cpu, 'nginx', ['-p', folder, '-c', config]))
    await waitUntilReady(started, 'nginx', () => isListening(port))
    return started
  }
  let running = await start()
  return {
    name: options.name,
    port,
    address: `127.0.0.1:${port}`,
    files,
    process: () => running,
    async kill(signal) {
      running.signal(signal)
      if (signal === 'SIGKILL') await running.exited
    },
    async restart() {
      await running.stop({ signal: 'SIGKILL' })
      running = await start()
    },
    async stop() {
      await running.stop({ signal: 'SIGKILL' })
    },
  }
}

function render(options: NginxOptions, port: number, folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `  ${kind}_temp_path ${folder}/${kind};`)
    .join('\n')
  return `daemon off;
# Debian's unprivileged user cannot enter a private temporary folder.
user root;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile 20000;
events { worker_connections 16000; }
http {
${temporary}
  access_log off;
  keepalive_requests 1000000;
  default_type text/plain;
  ${options.http ?? ''}
  server {
    listen ${options.host ?? '127.0.0.1'}:${port} backlog=4096;
    location / { return 200 "${options.body ?? options.name}"; }
    location /files/ { root ${folder}; }
    ${options.server ?? ''}
  }
}
`
}
