// The real data plane, with a way to hurt it from a test: it fails when told so by a broadcast.

import { BroadcastChannel } from 'node:worker_threads'
import type { DataPlaneOptions } from '../../src/runtime/data-plane.ts'
import { DataPlane as RealDataPlane } from '../../src/runtime/data-plane.ts'

export const CHANNEL = 'evenkeel-test-hurt'

export type Hurt = { readonly thread: number; readonly how: 'throw' | 'loop' }

export class DataPlane extends RealDataPlane {
  constructor(options: DataPlaneOptions) {
    super(options)
    const channel = new BroadcastChannel(CHANNEL)
    channel.unref()
    const target = channel as unknown as EventTarget
    target.addEventListener('message', (event) => {
      const { thread, how } = (event as Event & { readonly data: Hurt }).data
      if (thread === options.thread) setImmediate(how === 'throw' ? raise : spin)
    })
  }
}

function raise(): never {
  throw new Error('thrown on purpose')
}

function spin(): void {
  for (let i = 0; ; i++) if (i < 0) return
}
