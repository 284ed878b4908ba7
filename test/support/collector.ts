// A collector that takes OTLP/HTTP as JSON, as strict as the protocol: what opentelemetry-proto does
// not name, or has in another form, is answered with 400 and noted.

import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

const id = (digits: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${digits}}$`))
    .refine((text) => !/^0+$/.test(text))
const int64 = z.string().regex(/^-?\d{1,19}$/)
const value = z.union([
  z.strictObject({ stringValue: z.string() }),
  z.strictObject({ intValue: int64 }),
  z.strictObject({ doubleValue: z.number() }),
  z.strictObject({ boolValue: z.boolean() }),
])
const attributes = z
  .array(z.strictObject({ key: z.string().min(1), value }))
  .refine((all) => new Set(all.map(({ key }) => key)).size === all.length, 'a key twice')
// Span of trace.proto; enums are numbers in JSON.
const span = z
  .strictObject({
    traceId: id(32),
    spanId: id(16),
    traceState: z.string().optional(),
    parentSpanId: id(16).optional(),
    flags: z.int().min(0).max(0xffffffff).optional(),
    name: z.string().min(1),
    kind: z.int().min(0).max(5),
    startTimeUnixNano: int64,
    endTimeUnixNano: int64,
    attributes: attributes.optional(),
    status: z
      .strictObject({ code: z.int().min(0).max(2).optional(), message: z.string().optional() })
      .optional(),
  })
  .refine((one) => BigInt(one.endTimeUnixNano) >= BigInt(one.startTimeUnixNano), 'ends too early')
/** ExportTraceServiceRequest. */
const body = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes }),
      scopeSpans: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.string(), version: z.string() }),
          spans: z.array(span),
        }),
      ),
    }),
  ),
})

export type Span = z.output<typeof span>

/** Spans of a request body. @throws ZodError where the protocol has it otherwise */
export function readSpans(text: string): readonly Span[] {
  const { resourceSpans } = body.parse(JSON.parse(text))
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
}

/** An attribute of a span, as text; `null` without it. */
export function attribute({ attributes: all = [] }: Span, key: string): string | null {
  const found = all.find((one) => one.key === key)
  return found === undefined ? null : String(Object.values(found.value)[0])
}

export interface Collector {
  readonly url: string
  /** Spans of the requests that were taken. */
  readonly spans: Span[]
  readonly requests: { readonly path: string; readonly headers: IncomingHttpHeaders }[]
  /** What was wrong with requests. */
  readonly faults: string[]
  /** Answers of the next requests, in order; then 200. 0 breaks the connection, −1 never answers, −2 never ends. */
  readonly answers: {
    readonly status: number
    readonly headers?: Record<string, string>
    readonly body?: string
  }[]
  stop(): Promise<void>
}

export async function startCollector(): Promise<Collector> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { url = '', headers } = request
      collector.requests.push({ path: url, headers })
      const {
        status,
        headers: more = {},
        body: text = '{}',
      } = collector.answers.shift() ?? {
        status: 200,
      }
      if (status === -2) {
        response.writeHead(200)
        const timer = setInterval(() => response.write(' '), 50)
        response.on('close', () => clearInterval(timer))
        return
      }
      if (status < 0) return
      if (status === 0) {
        request.socket.resetAndDestroy()
        return
      }
      try {
        const spans = readSpans(Buffer.concat(chunks).toString('utf8'))
        if (headers['content-type'] !== 'application/json') throw new Error('no JSON')
        if (status === 200) collector.spans.push(...spans)
      } catch (error) {
        collector.faults.push(String(error))
        response.writeHead(400).end()
        return
      }
      response.writeHead(status, { 'content-type': 'application/json', ...more }).end(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const collector: Collector = {
    url: `http://127.0.0.1:${port}`,
    spans: [],
    requests: [],
    faults: [],
    answers: [],
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return collector
}
