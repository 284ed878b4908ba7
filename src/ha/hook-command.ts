// A hook that is a command: its own process group, the facts in its environment and, as JSON, on its
// standard input.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { HookPlan } from '../core/plan.ts'
import type { HookEnd, HookMessage } from './hooks.ts'

/** How much of what it says is kept. */
const OUTPUT_BYTES_MAX = 4_096
/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 1_000
/** After SIGKILL even a process that the kernel holds is not waited for any longer. */
const KILLED_MS = 500
/** How long output may follow the end; a daemon left behind may hold the pipes open for good. */
const LAST_OUTPUT_MS = 50
/** A look at whether the rest of the group has gone. */
const GROUP_LOOK_MS = 20
/** A reason may quote a server; an environment has its limits. */
const VARIABLE_CHARS_MAX = 4_096

type ExecPlan = Extract<HookPlan, { kind: 'exec' }>

/** Starts it; returns what ends it. */
export function runCommand(
  plan: ExecPlan,
  message: HookMessage,
  end: (end: HookEnd) => void,
): () => void {
  const run = new CommandRun(plan, message, end)
  return () => run.stop('was cancelled')
}

/** What a process can be given as its environment. */
function environmentOf({ environment }: HookMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value.replaceAll('\0', ' ').slice(0, VARIABLE_CHARS_MAX),
    ]),
  )
}

class CommandRun {
  readonly #end: (end: HookEnd) => void
  readonly #command: string
  readonly #child: ChildProcess | null
  readonly #timers = new Set<NodeJS.Timeout>()
  #output = Buffer.alloc(0)
  /** Why it is being ended; `null` while it may run. */
  #stopping: string | null = null
  #isOver = false

  constructor({ command, timeoutMs }: ExecPlan, message: HookMessage, end: (end: HookEnd) => void) {
    this.#end = end
    const [file = '', ...words] = command
    this.#command = file
    let child: ChildProcess
    try {
      child = spawn(file, words, {
        detached: true,
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...process.env, ...environmentOf(message) },
      })
    } catch (error) {
      this.#child = null
      this.#later(0, () => this.#notStarted(error))
      return
    }
    this.#child = child
    child.once('error', (error) => this.#notStarted(error))
    child.once('exit', (code, signal) => this.#exited(code, signal))
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = Buffer.concat([this.#output, chunk]).subarray(-OUTPUT_BYTES_MAX)
      })
      stream?.on('error', () => {})
    }
    // It need not read what it is told.
    child.stdin?.on('error', () => {})
    child.stdin?.end(`${message.json}\n`)
    this.#later(timeoutMs, () => this.stop(`was not done in ${timeoutMs} ms and was stopped`))
  }

  /** TERM to the whole group now, KILL in a second. */
  stop(why: string): void {
    if (this.#isOver || this.#stopping !== null) return
    this.#stopping = why
    this.#clear()
    this.#signal('SIGTERM')
    this.#later(GRACE_MS, () => {
      this.#signal('SIGKILL')
      this.#later(KILLED_MS, () => this.#finish(false, why))
    })
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#stopping !== null) {
      this.#awaitGroup(this.#stopping)
      return
    }
    this.#clear()
    const what = signal === null ? `ended with code ${code}` : `was killed by ${signal}`
    const finish = (): void => this.#finish(code === 0, what)
    this.#child?.once('close', finish)
    this.#later(LAST_OUTPUT_MS, finish)
  }

  // The command has gone, but what it started may still be at work. A zombie that nobody reaps (Node.js
  // as a container's first process reaps none) counts as such until SIGKILL is over.
  #awaitGroup(why: string): void {
    if (this.#isOver) return
    if (this.#signal(0)) this.#later(GROUP_LOOK_MS, () => this.#awaitGroup(why))
    else this.#finish(false, why)
  }

  #notStarted(error: unknown): void {
    this.#finish(false, `could not be started (${startFault(error, this.#command)})`)
  }

  #finish(ok: boolean, what: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#clear()
    // A daemon left behind keeps its ends of the pipes; ours must not keep this process.
    for (const stream of this.#child?.stdio ?? []) stream?.destroy()
    this.#child?.unref()
    this.#end({ ok, what, output: this.#output.toString('utf8') })
  }

  /** @returns whether there is anybody left in the group */
  #signal(signal: NodeJS.Signals | 0): boolean {
    const pid = this.#child?.pid
    if (pid === undefined) return false
    try {
      process.kill(-pid, signal)
      return true
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM'
    }
  }

  #later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      act()
    }, ms)
    this.#timers.add(timer)
  }

  #clear(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}

function startFault(error: unknown, command: string): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
      return `there is no ${command}, or what its first line names`
    case 'EACCES':
      return `${command} may not be executed by this user`
    case 'ENOEXEC':
      return `${command} is no program; does a script lack its #! line?`
    default:
      return code === '' || code.startsWith('ERR_') ? message : code
  }
}
