// Child processes of tests and benches: each is started in a process group of its own, its output is
// kept, and every group still alive is killed when the test process ends, however it ends.
// Never signals anything by name: only groups started here.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from './wait.ts'

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A running child. Signals go to its whole process group, so a server's workers get them too. */
export interface Process {
  readonly pid: number
  readonly child: ChildProcess
  /** Settles when the child itself has ended. */
  readonly exited: Promise<Exit>
  /** Standard output and error so far, the last 16 MiB of each. */
  stdout(): string
  stderr(): string
  isRunning(): boolean
  /** Sends a signal to the group; false if it is gone. */
  signal(name: NodeJS.Signals): boolean
  /** SIGTERM (or another signal), then SIGKILL after the grace; settles when it has ended. */
  stop(options?: { signal?: NodeJS.Signals; graceMs?: number }): Promise<Exit>
}

export interface StartOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Standard output goes to this file instead of being kept. */
  readonly outputFile?: string
}

const outputCharsMax = 16 << 20
const groups = new Set<number>()
const folders = new Set<string>()
let hooked = false

/** Starts a program. A program that cannot be run at all shows as `exited` with code 127. */
export function startProcess(
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): Process {
  hookExit()
  const file = options.outputFile === undefined ? null : openSync(options.outputFile, 'a')
  const child = spawn(command, args, {
    detached: true,
    stdio: ['pipe', file ?? 'pipe', 'pipe'],
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
  })
  if (file !== null) closeSync(file)
  const pid = child.pid ?? -1
  if (pid > 0) groups.add(pid)
  const stdout = keepOutput(child, 'stdout')
  const stderr = keepOutput(child, 'stderr')
  child.stdin?.on('error', () => {})
  let running = pid > 0
  let spawnError = ''
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', (error) => {
      running = false
      spawnError = `${command}: ${error.message}\n`
      resolve({ code: 127, signal: null })
    })
    child.once('close', (code, signal) => {
      running = false
      // What the child left behind in its group goes too.
      signalGroup(pid, 'SIGKILL')
      groups.delete(pid)
      resolve({ code, signal })
    })
  })
  const signal = (name: NodeJS.Signals): boolean => running && signalGroup(pid, name)
  return {
    pid,
    child,
    exited,
    stdout,
    stderr: () => spawnError + stderr(),
    isRunning: () => running,
    signal,
    async stop({ signal: name = 'SIGTERM', graceMs = 5_000 } = {}) {
      signal(name)
      // A stopped process takes no signal but SIGKILL until it is continued.
      signal('SIGCONT')
      const timer = setTimeout(() => signal('SIGKILL'), graceMs)
      const exit = await exited
      clearTimeout(timer)
      return exit
    },
  }
}

/** Runs a program to its end and returns what it wrote. */
export async function runProcess(
  command: string,
  args: readonly string[],
  options: StartOptions & { input?: string; timeoutMs?: number } = {},
): Promise<Exit & { stdout: string; stderr: string }> {
  const started = startProcess(command, args, options)
  started.child.stdin?.end(options.input ?? '')
  const timer = setTimeout(() => started.signal('SIGKILL'), options.timeoutMs ?? 60_000)
  const exit = await started.exited
  clearTimeout(timer)
  return { ...exit, stdout: started.stdout(), stderr: started.stderr() }
}

/** Waits until a server is ready; throws at once, with what it said, if it ends before. */
export async function waitUntilReady(
  server: Process,
  name: string,
  isReady: () => Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  try {
    await waitFor(async () => !server.isRunning() || (await isReady()), {
      what: `${name} to be ready`,
      timeoutMs,
    })
  } catch (error) {
    server.signal('SIGKILL')
    throw new Error(`${name} is not ready: ${server.stdout()}${server.stderr()}`, { cause: error })
  }
  if (!server.isRunning()) {
    throw new Error(`${name} ended at once: ${server.stdout()}${server.stderr()}`)
  }
}

/** Command and arguments that run a program on one CPU; as they are without one. */
export function onCpu(
  cpu: number | undefined,
  command: string,
  args: readonly string[],
): [command: string, args: readonly string[]] {
  return cpu === undefined ? [command, args] : ['taskset', ['-c', String(cpu), command, ...args]]
}

/** A new folder under the system's temporary one, removed when the test process ends. */
export function temporaryFolder(name: string): string {
  hookExit()
  const folder = mkdtempSync(join(tmpdir(), `evenkeel-${name}-`))
  folders.add(folder)
  return folder
}

function keepOutput(child: ChildProcess, which: 'stdout' | 'stderr'): () => string {
  let text = ''
  child[which]?.setEncoding('utf8').on('data', (part: string) => {
    text += part
    if (text.length > outputCharsMax) text = text.slice(-outputCharsMax)
  })
  return () => text
}

function signalGroup(pid: number, name: NodeJS.Signals): boolean {
  if (pid <= 0) return false
  try {
    process.kill(-pid, name)
    return true
  } catch {
    return false
  }
}

function hookExit(): void {
  if (hooked) return
  hooked = true
  process.once('exit', () => {
    for (const pid of groups) signalGroup(pid, 'SIGKILL')
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  // Without a handler these signals end the process with no 'exit' event.
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.once(name, () => process.exit(1))
  }
}
