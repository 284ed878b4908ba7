// The cost of reading and writing heads and chunks, on the messages a balancer sees most.

import { CHUNK, ChunkedDecoder } from '../../src/http1/chunked.ts'
import { BODY } from '../../src/http1/framing.ts'
import { connectionLines, forwardRequest, forwardResponse } from '../../src/http1/forward.ts'
import type { RequestForward, ResponseForward } from '../../src/http1/forward.ts'
import { PARSE, RequestHead, ResponseHead } from '../../src/http1/head.ts'

const limits = { headBytesMax: 16_384, targetBytesMax: 8_192, fieldsMax: 100 }

const tiny = 'GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n'

function browser(path: string): string {
  return [
    `GET ${path} HTTP/1.1`,
    'Host: shop.example.com',
    'Connection: keep-alive',
    'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24", "Google Chrome";v="128"',
    'sec-ch-ua-mobile: ?0',
    'sec-ch-ua-platform: "Linux"',
    'Upgrade-Insecure-Requests: 1',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36',
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8',
    'Sec-Fetch-Site: same-origin',
    'Sec-Fetch-Mode: navigate',
    'Sec-Fetch-Dest: document',
    'Referer: https://shop.example.com/catalogue/lamps?page=2',
    'Accept-Encoding: gzip, deflate, br, zstd',
    'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
    'Cookie: session=4f1c9a0b7d6e5f3a2b1c0d9e8f7a6b5c; theme=dark; seen=1709805630; basket=7c9e6679f0de',
    '',
    '',
  ].join('\r\n')
}

const nginx = [
  'HTTP/1.1 200 OK',
  'Server: nginx/1.22.1',
  'Date: Sat, 07 Mar 2026 10:20:30 GMT',
  'Content-Type: text/html',
  'Content-Length: 1024',
  'Last-Modified: Fri, 06 Mar 2026 09:00:00 GMT',
  'Connection: keep-alive',
  'ETag: "65e83a10-400"',
  'Accept-Ranges: bytes',
  '',
  '',
].join('\r\n')

interface Message {
  readonly start: number
  readonly end: number
}

// All messages lie in one buffer, as they do for a thread that reads into the same one each time.
const read = Buffer.alloc(65_536)
let used = 0

/** Sixteen of a kind, as the requests of a connection differ from one another. */
function variants(make: (index: number) => string): Message[] {
  return Array.from({ length: 16 }, (_, index) => {
    const start = used
    used += read.write(make(index), start, 'latin1')
    return { start, end: used }
  })
}

const tinyRequests = variants(() => tiny)
const browserRequests = variants((index) => browser(`/catalogue/lamps/${index}?page=${index * 7}`))
const responses = variants(() => nginx)

const requestOptions: RequestForward = {
  target: '/',
  host: '',
  added: connectionLines('203.0.113.7', 'http', '1.1 evenkeel'),
  trusted: false,
  clientAddress: '203.0.113.7',
  scheme: 'http',
  forwarded: false,
  via: '1.1 evenkeel',
  changes: null,
  body: BODY.none,
  contentLength: -1,
  upgrade: false,
}

const responseOptions: ResponseForward = {
  body: BODY.length,
  contentLength: 1024,
  connection: '',
  minor: 1,
  date: 'Sat, 07 Mar 2026 10:20:30 GMT',
  changes: null,
  upgrade: false,
  method: 'GET',
  added: '',
}

const request = new RequestHead(limits)
const response = new ResponseHead(limits)
const out = Buffer.allocUnsafe(65_536)

function must(code: number): void {
  if (code !== PARSE.done) throw new Error('a bench message was not parsed')
}

function parseRequests(messages: readonly Message[]): (iterations: number) => void {
  return (iterations) => {
    for (let i = 0; i < iterations; i++) {
      const message = messages[i & 15]!
      request.reset()
      must(request.parse(read, message.start, message.end))
    }
  }
}

function heads(messages: readonly Message[]): RequestHead[] {
  return messages.map((message) => {
    const head = new RequestHead(limits)
    must(head.parse(read, message.start, message.end))
    return head
  })
}

// A socket flattens the string when it writes it, so the copy belongs to the price.
function forwardRequests(messages: readonly Message[], options: RequestForward) {
  const parsed = heads(messages)
  return (iterations: number): void => {
    for (let i = 0; i < iterations; i++) {
      const head = parsed[i & 15]!
      options.target = head.path
      options.host = head.host
      out.write(forwardRequest(head, options), 0, 'latin1')
    }
  }
}

function parseResponses(iterations: number): void {
  for (let i = 0; i < iterations; i++) {
    const message = responses[i & 15]!
    response.reset()
    must(response.parse(read, message.start, message.end))
  }
}

function forwardResponses(iterations: number): void {
  for (let i = 0; i < iterations; i++) {
    out.write(forwardResponse(response, responseOptions), 0, 'latin1')
  }
}

const chunks = Buffer.from(`${`400\r\n${'x'.repeat(1024)}\r\n`.repeat(32)}0\r\n\r\n`)
const decoder = new ChunkedDecoder()

function decodeChunks(iterations: number): void {
  for (let i = 0; i < iterations; i++) {
    decoder.reset()
    let code = decoder.next(chunks, 0, chunks.length)
    while (code === CHUNK.data) code = decoder.next(chunks, decoder.position, chunks.length)
    if (code !== CHUNK.done) throw new Error('a bench body was not decoded')
  }
}

/** What `main.ts` times. */
export const cases = [
  { name: 'http1: parse tiny request', run: parseRequests(tinyRequests) },
  { name: 'http1: parse browser request', run: parseRequests(browserRequests) },
  { name: 'http1: parse nginx response', run: parseResponses },
  { name: 'http1: write tiny request', run: forwardRequests(tinyRequests, { ...requestOptions }) },
  {
    name: 'http1: write browser request',
    run: forwardRequests(browserRequests, { ...requestOptions }),
  },
  {
    name: 'http1: write browser request with changed headers',
    run: forwardRequests(browserRequests, {
      ...requestOptions,
      changes: { set: [{ name: 'x-team', value: 'shop' }], remove: ['referer'] },
    }),
  },
  { name: 'http1: write nginx response', run: forwardResponses },
  { name: 'http1: decode 32 chunks of 1 KiB', run: decodeChunks },
]
