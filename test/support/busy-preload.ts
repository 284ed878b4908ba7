// Loaded into a process by `node --import`: a signal makes its last data thread busy for a while, as a
// long garbage collection would.

import { onSignalInLastThread } from './last-thread.ts'

const BUSY_MS = 500

onSignalInLastThread(() => {
  const untilMs = performance.now() + BUSY_MS
  while (performance.now() < untilMs) continue
  process.stderr.write('busy\n')
})
