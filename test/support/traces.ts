// Kept exchanges that a test makes up.

import type { TraceRecord } from '../../src/core/trace.ts'

/** One that went well on backend `a`. */
export function someTrace(changed: Partial<TraceRecord> = {}): TraceRecord {
  return {
    id: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba90200',
    parentId: null,
    traceState: null,
    keptFor: 'sampled',
    at: 1_000,
    thread: 0,
    listener: 'web',
    protocol: 'http',
    client: '127.0.0.1',
    method: 'GET',
    host: 'a.test',
    target: '/x?y',
    requestId: null,
    route: '#1',
    pool: 'web',
    status: 200,
    fault: null,
    queueMs: -1,
    headMs: 4,
    totalMs: 5,
    bytesIn: 10,
    bytesOut: 20,
    attempts: [
      {
        number: 1,
        backend: 'a',
        address: { kind: 'tcp', host: '10.0.0.1', port: 8080 },
        startMs: 0,
        ms: 5,
        connectMs: 1,
        responseMs: 3,
        reused: false,
        status: 200,
        fault: null,
      },
    ],
    ...changed,
  }
}
