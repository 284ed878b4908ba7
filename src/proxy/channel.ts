// One connection as the data plane sees it: reads into borrowed memory and tells at once whether a
// write has left. HTTP/1, TCP tunnels and (later) TLS and HTTP/2 know nothing else of sockets.
//
// The rule about memory: bytes from a shared buffer are good until `onBytes` returns; who keeps them
// must copy. A channel with `useOwnBuffer(true)` gets its bytes in a buffer of its own (`ownsBytes`):
// those may be written without a copy, and if the write stays pending the source must be paused
// until `onDrain`.

/** Who listens to a channel. Called synchronously. */
export interface ChannelHandler {
  /** `bytes[start..end)` has arrived; see the rule about memory above. */
  onBytes(bytes: Buffer, start: number, end: number): void
  /** The peer has ended its direction (FIN). */
  onEnd(): void
  /** Everything written has left, after a write that answered false. */
  onDrain(): void
  /** A write failed. What the peer had sent before may still arrive; the handler must end the channel. */
  onWriteError(code: string): void
  /** The channel is gone; the last call. `code` is the system's error name, '' for a clean end. */
  onClose(code: string): void
}

/** One connection, in both directions. */
export interface Channel {
  handler: ChannelHandler
  /** The bytes of the running `onBytes` are in memory nobody else uses. */
  readonly ownsBytes: boolean
  readonly closed: boolean
  /** Something written has not left yet. */
  readonly pending: boolean
  /** Address of the peer, '' where there is none. */
  readonly remoteAddress: string
  readonly remotePort: number
  /** Begins to deliver bytes. Apart from the making, so that the handler is in place first. */
  start(): void
  /** Writes a latin1 string (it is copied). True: it has left; false: `onDrain` will follow. */
  writeText(text: string): boolean
  /** Writes bytes that stay unchanged until they have left. Same answer as `writeText`. */
  writeBytes(bytes: Buffer, start: number, end: number): boolean
  /** Writes bytes that may change once this returns (they are copied). Same answer as `writeText`. */
  writeCopy(bytes: Buffer, start: number, end: number): boolean
  /** Collects the writes up to `uncork` into one system call. */
  cork(): void
  /** Same answer as `writeText`, for all that was collected. */
  uncork(): boolean
  pause(): void
  resume(): void
  /**
   * Read into a buffer of its own (`true`) or the shared one, from the next read on. Going back lets
   * go of the own buffer: what was written from it and is pending stays intact.
   */
  useOwnBuffer(own: boolean): void
  /** Ends our direction after what is pending. The channel closes itself once the peer has ended too. */
  end(): void
  /** Breaks the connection visibly (RST). */
  reset(): void
  /** Closes both directions at once and drops what is pending. */
  destroy(): void
}

interface Latin1Slicer {
  latin1Slice(start: number, end: number): string
}

/** Copies bytes into a string, one character each. `toString` would only come to this the long way. */
export function latin1(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as Latin1Slicer).latin1Slice(start, end)
}

/** A handler that ignores everything: what a channel has before and after its owner. */
export const noHandler: ChannelHandler = {
  onBytes() {},
  onEnd() {},
  onDrain() {},
  onWriteError() {},
  onClose() {},
}
