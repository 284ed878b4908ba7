// Kept exchanges as spans, in the JSON form of the OpenTelemetry protocol
// (opentelemetry-proto: trace/v1/trace.proto, docs/specification.md#json-protobuf-encoding), named as
// the semantic conventions for HTTP name them. Ids are hex, 64-bit numbers are texts.
// Queries of URLs are left out: they hold what nobody wants in another system.

import { fault } from '../core/fault.ts'
import type { TraceAttempt, TraceRecord } from '../core/trace.ts'
import { attemptSpan } from '../core/trace.ts'
import { formatAddress } from '../core/address-text.ts'

const SERVER = 2
const CLIENT = 3
const ERROR = 2
/** Bits of `flags`: it is known whether the parent is another process, and it is. */
const REMOTE = 0x300
const SAMPLED = 0x01

/** Who speaks. */
export interface OtlpResource {
  readonly service: string
  readonly version: string
  /** Tells processes apart: `service.instance.id`. */
  readonly instance: string
}

type Value =
  | { readonly stringValue: string }
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly boolValue: boolean }

interface Attribute {
  readonly key: string
  readonly value: Value
}

/** The body of a request: ExportTraceServiceRequest. */
export function encodeTraces(traces: readonly TraceRecord[], resource: OtlpResource): string {
  const { service, version, instance } = resource
  const attributes = list({
    'service.name': service,
    'service.version': version,
    'service.instance.id': instance,
  })
  const scopeSpans = [{ scope: { name: 'evenkeel', version }, spans: traces.flatMap(spansOf) }]
  return JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans }] })
}

/** One exchange and its attempts. */
export function spansOf(trace: TraceRecord): readonly object[] {
  return [serverSpan(trace), ...trace.attempts.map((attempt) => clientSpan(trace, attempt))]
}

function serverSpan(trace: TraceRecord): object {
  const { id, spanId, parentId, traceState, status, fault: code, keptFor } = trace
  const isFailed = keptFor === 'error'
  return {
    traceId: id,
    spanId,
    ...(parentId === null ? {} : { parentSpanId: parentId }),
    ...(traceState === null ? {} : { traceState }),
    flags: SAMPLED | (parentId === null ? 0 : REMOTE),
    name: nameOf(trace),
    kind: SERVER,
    ...times(trace, 0, trace.totalMs),
    attributes: list({
      ...requestAttributes(trace),
      ...hostAttributes(trace.host),
      'url.path': pathOf(trace),
      'url.scheme': trace.protocol === 'http' ? 'http' : null,
      'client.address': trace.client === '' ? null : trace.client,
      'http.response.status_code': status > 0 ? status : null,
      'error.type': isFailed ? (code ?? String(status)) : null,
      'evenkeel.listener': trace.listener,
      'evenkeel.route': trace.route,
      'evenkeel.pool': trace.pool,
      'evenkeel.fault': code,
      'evenkeel.kept_for': keptFor,
      'evenkeel.request_id': trace.requestId,
      'evenkeel.attempts': trace.attempts.at(-1)?.number ?? 0,
      'evenkeel.queue_ms': trace.queueMs < 0 ? null : double(trace.queueMs),
      'evenkeel.first_byte_ms': trace.headMs < 0 ? null : double(trace.headMs),
    }),
    status: isFailed ? failed(code === null ? '' : fault(code).sentence) : {},
  }
}

function clientSpan(trace: TraceRecord, attempt: TraceAttempt): object {
  const { number, backend, address, status, fault: code } = attempt
  const isFailed = code !== null || status >= 400
  const server = address === null ? '' : formatAddress(address)
  const path = pathOf(trace)
  return {
    traceId: trace.id,
    spanId: attemptSpan(trace.spanId, number),
    parentSpanId: trace.spanId,
    flags: SAMPLED | 0x100,
    name: nameOf(trace),
    kind: CLIENT,
    ...times(trace, attempt.startMs, attempt.ms),
    attributes: list({
      ...requestAttributes(trace),
      ...(address?.kind === 'tcp'
        ? { 'server.address': address.host, 'server.port': address.port }
        : { 'server.address': address?.path ?? null }),
      'url.full': address?.kind === 'tcp' && path !== null ? `http://${server}${path}` : null,
      'http.request.resend_count': number > 1 ? number - 1 : null,
      'http.response.status_code': status > 0 ? status : null,
      'error.type': isFailed ? (code ?? String(status)) : null,
      'evenkeel.pool': trace.pool,
      'evenkeel.backend': backend,
      'evenkeel.fault': code,
      'evenkeel.connection_reused': attempt.reused,
      'evenkeel.connect_ms': attempt.connectMs < 0 ? null : double(attempt.connectMs),
      'evenkeel.response_ms': attempt.responseMs < 0 ? null : double(attempt.responseMs),
    }),
    status: isFailed ? failed(code === null ? '' : fault(code).sentence) : {},
  }
}

/** Methods that may be told as they are; others are free text of a client. */
const METHODS: ReadonlySet<string> = new Set(
  'GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH QUERY'.split(' '),
)

function nameOf({ protocol, method, listener }: TraceRecord): string {
  if (protocol === 'tcp') return `tcp ${listener}`
  return METHODS.has(method) ? method : 'HTTP'
}

function requestAttributes({ protocol, method }: TraceRecord): Attributes {
  if (protocol === 'tcp') return { 'network.transport': 'tcp' }
  if (METHODS.has(method)) return { 'http.request.method': method }
  return {
    'http.request.method': '_OTHER',
    'http.request.method_original': method === '' ? null : method,
  }
}

function hostAttributes(authority: string): Attributes {
  const port = /:(\d{1,5})$/.exec(authority)?.[1]
  const host = port === undefined ? authority : authority.slice(0, -port.length - 1)
  const address = host.replace(/^\[|\]$/g, '')
  return {
    'server.address': address === '' ? null : address,
    'server.port': port === undefined ? null : Number(port),
  }
}

/** The target without its query, and of an absolute one the path alone. */
function pathOf({ protocol, target }: TraceRecord): string | null {
  if (protocol === 'tcp' || target === '') return null
  const path = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  const end = path.indexOf('?')
  const bare = end < 0 ? path : path.slice(0, end)
  return bare === '' ? '/' : bare
}

function times({ at }: TraceRecord, startMs: number, lengthMs: number): object {
  const start = at + startMs
  return {
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(start + Math.max(0, lengthMs)),
  }
}

/** Microseconds are as fine as the clock and a double allow. */
function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1_000)}000`
}

function failed(message: string): object {
  return message === '' ? { code: ERROR } : { code: ERROR, message }
}

interface Double {
  readonly double: number
}

type Attributes = Readonly<Record<string, string | number | boolean | Double | null>>

function double(value: number): Double {
  return { double: value }
}

function list(attributes: Attributes): readonly Attribute[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === null ? [] : [{ key, value: valueOf(value) }],
  )
}

function valueOf(value: string | number | boolean | Double): Value {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  return typeof value === 'number' ? { intValue: String(value) } : { doubleValue: value.double }
}
