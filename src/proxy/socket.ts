// The one door between sockets and the data plane: makes channels of accepted handles and of
// connections to backends. `shared` ones read into one buffer per thread (`handle-channel.ts`),
// `fresh` ones use ordinary 'data' events (`stream-channel.ts`).
// Taking the handle of an accepted connection is not documented API of Node; it happens here alone.

import net from 'node:net'
import type { Channel, ChannelHandler } from './channel.ts'
import {
  HandleChannel,
  handlesWork,
  onread,
  resumeReading,
  suspendReading,
} from './handle-channel.ts'
import { StreamChannel } from './stream-channel.ts'

/** How a channel reads: into the thread's shared buffer, or fresh buffers from 'data' events. */
export type ReadInto = 'shared' | 'fresh'

/** A raw TCP or pipe handle of Node, as a server's `onconnection` gets it. */
export interface RawHandle {
  close(): void
  setNoDelay?(on: boolean): number
  setKeepAlive?(on: boolean, seconds: number): number
}

/** Where to connect. */
export type Destination =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }

/** Makes a channel of a handle that a listener accepted. Call `start` once its handler is set. */
export function adoptHandle(handle: RawHandle, readInto: ReadInto): Channel {
  handle.setNoDelay?.(true)
  const direct = usesHandles(readInto)
  const options = { handle, allowHalfOpen: true, manualStart: true, ...(direct ? { onread } : {}) }
  const reading = suspendReading()
  const socket = new net.Socket(options)
  resumeReading(reading)
  return direct ? new HandleChannel(socket) : new StreamChannel(socket)
}

/**
 * Opens a connection. `onConnect` is called once it stands; a failure arrives as `onClose(code)` of
 * the handler.
 */
export function connect(
  destination: Destination,
  readInto: ReadInto,
  handler: ChannelHandler,
  onConnect: () => void,
): Channel {
  const direct = usesHandles(readInto)
  const options = {
    ...destination,
    allowHalfOpen: true,
    noDelay: true,
    autoSelectFamily: false,
    ...(direct ? { onread } : {}),
  }
  const socket = new net.Socket(options)
  const channel = direct ? new HandleChannel(socket) : new StreamChannel(socket)
  channel.handler = handler
  const reading = suspendReading()
  socket.connect(options as unknown as net.NetConnectOpts, onConnect)
  resumeReading(reading)
  return channel
}

/** Can channels be made of bare handles on this version of Node? */
function usesHandles(readInto: ReadInto): boolean {
  return readInto === 'shared' && handlesWork()
}
