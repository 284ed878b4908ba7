import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { encodeTraces } from '../../../src/observe/otlp.ts'
import { attribute, readSpans } from '../../support/collector.ts'
import { someTrace } from '../../support/traces.ts'

const resource = { service: 'edge', version: '1.2.3', instance: 'i-1' }

test('an exchange is a server span, and each attempt a client span below it', () => {
  const [first] = someTrace().attempts
  const trace = someTrace({
    at: 1_700_000_000_000.25,
    parentId: '00f067aa0ba902b7',
    traceState: 'a=b',
    keptFor: 'error',
    status: 502,
    fault: 'backend-refused',
    target: '/x?password=1',
    host: '[::1]:8080',
    attempts: [
      { ...first!, status: 0, fault: 'backend-refused', connectMs: -1, responseMs: -1 },
      { ...first!, number: 2, startMs: 2.5, ms: 1, status: 503, fault: 'backend-status' },
    ],
  })
  const text = encodeTraces([trace], resource)
  assert.ok(!text.includes('password'))
  const [server, one, two] = readSpans(text)
  assert.deepEqual(
    [server!.name, server!.kind, server!.spanId, server!.parentSpanId, server!.traceState],
    ['GET', 2, '00f067aa0ba90200', '00f067aa0ba902b7', 'a=b'],
  )
  assert.deepEqual(
    [server!.startTimeUnixNano, server!.endTimeUnixNano, server!.flags],
    ['1700000000000250000', '1700000000005250000', 0x301],
  )
  assert.deepEqual(server!.status, { code: 2, message: 'The backend refused the connection.' })
  const told = ['url.path', 'server.address', 'server.port', 'error.type', 'evenkeel.pool']
  assert.deepEqual(
    told.map((key) => attribute(server!, key)),
    ['/x', '::1', '8080', 'backend-refused', 'web'],
  )
  assert.equal(attribute(server!, 'http.response.status_code'), '502')
  assert.deepEqual(
    [one!.kind, one!.spanId, one!.parentSpanId, two!.spanId, two!.startTimeUnixNano],
    [3, '00f067aa0ba90201', server!.spanId, '00f067aa0ba90202', '1700000000002750000'],
  )
  assert.deepEqual(
    ['url.full', 'http.request.resend_count', 'server.address', 'error.type'].map((key) =>
      attribute(two!, key),
    ),
    ['http://10.0.0.1:8080/x', '1', '10.0.0.1', 'backend-status'],
  )
  assert.equal(attribute(one!, 'http.request.resend_count'), null)
})

test('resource and scope say who speaks', () => {
  const { resourceSpans } = JSON.parse(encodeTraces([someTrace()], resource)) as {
    resourceSpans: {
      resource: { attributes: { key: string; value: { stringValue: string } }[] }
      scopeSpans: { scope: object }[]
    }[]
  }
  assert.deepEqual(
    resourceSpans[0]!.resource.attributes.map(({ key, value }) => [key, value.stringValue]),
    [
      ['service.name', 'edge'],
      ['service.version', '1.2.3'],
      ['service.instance.id', 'i-1'],
    ],
  )
  assert.deepEqual(resourceSpans[0]!.scopeSpans[0]!.scope, { name: 'evenkeel', version: '1.2.3' })
})

test('a method that a client made up is no name of a span', () => {
  const spans = readSpans(encodeTraces([someTrace({ method: 'EVIL' })], resource))
  assert.equal(spans[0]!.name, 'HTTP')
  assert.equal(attribute(spans[0]!, 'http.request.method'), '_OTHER')
  assert.equal(attribute(spans[0]!, 'http.request.method_original'), 'EVIL')
})

test('a tunnel is a span of its listener', () => {
  const trace = someTrace({ protocol: 'tcp', method: '', host: '', target: '', status: 0 })
  const [server, client] = readSpans(encodeTraces([trace], resource))
  assert.deepEqual([server!.name, attribute(server!, 'network.transport')], ['tcp web', 'tcp'])
  assert.equal(attribute(server!, 'url.path'), null)
  assert.equal(attribute(client!, 'url.full'), null)
})

test('whatever clients send, the body is one that the protocol knows', () => {
  const text = fc.string({ unit: 'binary', maxLength: 60 })
  const ms = fc.double({ min: -5, max: 1e7, noNaN: true })
  fc.assert(
    fc.property(text, text, text, ms, ms, (method, host, target, startMs, totalMs) => {
      const [first] = someTrace().attempts
      const attempts = [{ ...first!, startMs, ms: totalMs }]
      const changed = { method, host, target, requestId: host, totalMs, attempts }
      assert.equal(readSpans(encodeTraces([someTrace(changed)], resource)).length, 2)
    }),
  )
})
