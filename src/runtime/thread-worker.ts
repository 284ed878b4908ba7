// One data thread as a worker of Node's: what it is started with, and how it is asked and ended.
// Must never start one anew or judge it: data-threads.ts does.

import { totalmem } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Plan } from '../core/plan.ts'
import type { SharedBuffers } from '../core/shared-layout.ts'
import type { ControlMessage, DataMessage, OpenSocket } from '../core/snapshot.ts'
import { within } from './clock.ts'
import type { DataPlaneOptions } from './data-plane.ts'
import { endsWithin } from './hard-end.ts'

/** What a data thread is started with. */
export interface ThreadData {
  readonly plan: Plan
  readonly buffers: SharedBuffers
  readonly thread: number
  readonly reusePort: boolean
  /** It opens the listeners that only one thread can have. */
  readonly unshared: boolean
  /** Which these are, by name, besides those on unix sockets. */
  readonly alone: readonly string[]
  /** Sockets that listen already, taken over from the process before this one. */
  readonly inherited: readonly OpenSocket[]
  readonly seed: number
  /** URL of the module whose `DataPlane` it runs. */
  readonly module: string
}

export interface DataPlaneModule {
  readonly DataPlane: new (options: DataPlaneOptions) => { receive(message: ControlMessage): void }
}

/** How long a thread may take to end by itself. */
const CLOSE_MS = 200
/** How long it may take to be gone once it has to: generous, as the process can't end well after that. */
const GONE_MS = 5_000
/** How long it may take to say what it listens on; it may be busy. */
const SOCKETS_MS = 2_000

/**
 * Starts a worker, which waits for its first messages.
 * @param heapMb of this one, in MiB
 */
export function startWorker(data: ThreadData, heapMb: number): Worker {
  return new Worker(new URL('./data-thread.js', import.meta.url), {
    workerData: data,
    name: `data-${data.thread}`,
    // A program given as text (`node -e`) hands on options that a file can't be started with.
    ...(process.execArgv.some((option) => /^(-[ep]|--input-type|--eval|--print)/.test(option))
      ? { execArgv: [] }
      : {}),
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
  })
}

/** Half of what the machine or container has, shared out; the rest is for buffers outside the heap. */
export function heapLimitMb(threads: number): number {
  const constrained = process.constrainedMemory()
  const bytes = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
  return Math.min(4096, Math.max(128, Math.floor(bytes / 2 / threads / 1_048_576)))
}

/** What it listens on. @throws Error (rejects) when it is gone, or does not answer in time */
export function socketsOf(thread: number, worker: Worker | null): Promise<readonly OpenSocket[]> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer)
      worker?.off('message', hear)
    }
    const refuse = (): void => {
      end()
      reject(new Error(`data thread ${thread} is not running`))
    }
    const hear = (message: DataMessage): void => {
      if (message.kind !== 'sockets') return
      end()
      resolve(message.sockets)
    }
    const timer = setTimeout(refuse, SOCKETS_MS)
    if (worker === null) return refuse()
    worker.on('message', hear)
    worker.postMessage({ kind: 'tell-sockets' })
  })
}

/**
 * Ends it: it has a moment for its last lines, unless it is stuck. Resolves when it is gone, or when it
 * seems that it never will be, to whether it is.
 */
export async function endWorker(worker: Worker): Promise<boolean> {
  let isGone = false
  const gone = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      isGone = true
      resolve()
    })
  })
  worker.postMessage({ kind: 'close' })
  await within(CLOSE_MS, gone)
  if (isGone) return true
  void worker.terminate()
  return endsWithin(GONE_MS, gone)
}
