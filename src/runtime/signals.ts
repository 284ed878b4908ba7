// Signals as words. Every one that an operator may send is handled: without a handler, TERM would
// cut all traffic and USR1 would open Node's debugger port.

export interface SignalActions {
  /** First TERM or INT. */
  stop(signal: string): void
  /** A further one. */
  stopNow(signal: string): void
  /** HUP. */
  reload(): void
  /** USR1. */
  reopenLogs(): void
  /** USR2. */
  upgrade(): void
}

/** Installs the handlers; returns how to take them out again. */
export function onSignals(actions: SignalActions): () => void {
  let stops = 0
  const stop = (signal: string): void => {
    stops++
    if (stops === 1) actions.stop(signal)
    else actions.stopNow(signal)
  }
  const handlers: readonly [NodeJS.Signals, (signal: string) => void][] = [
    ['SIGTERM', stop],
    ['SIGINT', stop],
    ['SIGHUP', () => actions.reload()],
    ['SIGUSR1', () => actions.reopenLogs()],
    ['SIGUSR2', () => actions.upgrade()],
  ]
  for (const [signal, handler] of handlers) process.on(signal, handler)
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler)
  }
}
