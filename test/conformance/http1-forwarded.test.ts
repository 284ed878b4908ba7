// What we write, another parser must read as exactly one message of the same meaning, with nothing
// of the old connection in it, whatever the message was that came in.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { connectionLines, forwardRequest, forwardResponse } from '../../src/http1/forward.ts'
import { BODY, requestBody, responseBody } from '../../src/http1/framing.ts'
import { PARSE, RequestHead, ResponseHead } from '../../src/http1/head.ts'
import { LlhttpServer, llhttpResponse } from './http1-llhttp.ts'
import { MessageMaker } from './http1-messages.ts'
import { limits, readRequests, readResponse } from './http1-reading.ts'

const SENTINEL = 'GET /sentinel HTTP/1.1\r\nHost: sentinel\r\n\r\n'
const HOP_BY_HOP = /^(?:keep-alive|proxy-connection|http2-settings|evenkeel-epoch)$/
const CHANGES = { set: [{ name: 'x-set', value: 'new' }], remove: ['cookie', 'accept'] }

const server = new LlhttpServer()
after(() => server.close())

/** The names of a message's fields, in lower case. */
function namesOf(fields: readonly string[]): string[] {
  return fields.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())
}

function encode(body: string, kind: number): string {
  if (kind !== BODY.chunked) return kind === BODY.none ? '' : body
  return `${body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n`
}

/** Forwards the first request of `text`; `false` if it is refused. */
async function requestHolds(text: string, maker: MessageMaker): Promise<boolean> {
  const bytes = Buffer.from(text, 'latin1')
  const head = new RequestHead(limits)
  const [message] = readRequests(bytes).messages
  if (message === undefined || head.parse(bytes, 0, bytes.length) !== PARSE.done) return false
  if (!['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND'].includes(head.method)) {
    return false
  }
  const length = message.body.length
  const kind = maker.below(4) === 0 && length > 0 ? BODY.length : requestBody(head)
  const out = forwardRequest(head, {
    target: head.path,
    host: head.host === '' ? 'backend' : head.host,
    added: connectionLines('192.0.2.1', 'http', '1.1 evenkeel'),
    trusted: maker.below(2) === 0,
    clientAddress: '192.0.2.1',
    scheme: 'http',
    forwarded: maker.below(4) === 0,
    via: '1.1 evenkeel',
    changes: maker.below(3) === 0 ? CHANGES : null,
    body: kind,
    contentLength: length,
    upgrade: false,
  })
  const stream = Buffer.from(out + encode(message.body, kind) + SENTINEL, 'latin1')
  const theirs = await server.read(stream)
  const about = JSON.stringify({ text, out })
  assert.deepEqual(
    theirs.map(({ start }) => start),
    [`${head.method} ${head.path}`, 'GET /sentinel'],
    about,
  )
  assert.equal(theirs[0]!.body, message.body, about)
  const names = namesOf(theirs[0]!.fields)
  assert.equal(names.filter((name) => name === 'host').length, 1, about)
  for (const name of ['upgrade', ...(head.listed ?? [])]) assert.ok(!names.includes(name), about)
  assert.ok(!names.some((name) => HOP_BY_HOP.test(name)), about)
  assert.deepEqual(
    readRequests(stream).messages.map(({ body }) => body),
    [message.body, ''],
    about,
  )
  return true
}

/** Forwards the response in `text`; `false` if it is refused. */
async function responseHolds(text: string, maker: MessageMaker): Promise<boolean> {
  const bytes = Buffer.from(text, 'latin1')
  const head = new ResponseHead(limits)
  const [message] = readResponse(bytes, 'GET').messages
  if (message === undefined || head.parse(bytes, 0, bytes.length) !== PARSE.done) return false
  if (head.status < 200) return false
  const own = responseBody(head, 'GET')
  const kind = own === BODY.close && maker.below(2) === 0 ? BODY.chunked : own
  const out = forwardResponse(head, {
    body: kind,
    contentLength: head.contentLength,
    connection: kind === BODY.close ? 'close' : '',
    minor: 1,
    date: 'Sun, 06 Nov 1994 08:49:37 GMT',
    changes: maker.below(3) === 0 ? CHANGES : null,
    upgrade: false,
    method: 'GET',
    added: '',
  })
  const stream = Buffer.from(out + encode(message.body, kind), 'latin1')
  const theirs = await llhttpResponse(stream, 'GET')
  const about = JSON.stringify({ text, out })
  assert.equal(theirs?.start, message.start, about)
  assert.equal(theirs.body, message.body, about)
  const names = namesOf(theirs.fields)
  assert.equal(names.includes('date'), true, about)
  assert.ok(!names.some((name) => HOP_BY_HOP.test(name) && name !== 'evenkeel-epoch'), about)
  for (const name of ['upgrade', 'te', ...(head.listed ?? [])]) {
    assert.ok(!names.includes(name), about)
  }
  return true
}

async function held(count: number, one: (index: number) => Promise<boolean>): Promise<number> {
  let sum = 0
  for (let i = 0; i < count; i += 100) {
    const batch = Array.from({ length: Math.min(100, count - i) }, (_, index) => one(i + index))
    for (const holds of await Promise.all(batch)) if (holds) sum++
  }
  return sum
}

test('a request that goes on is one request of the same meaning to llhttp', async () => {
  const maker = new MessageMaker(4_711)
  const sum = await held(3_000, (index) => {
    const text = maker.request()
    return requestHolds(index % 2 === 0 ? text : maker.damaged(text), maker)
  })
  assert.ok(sum > 800, `only ${sum} were accepted`)
})

test('a response that goes on is one response of the same meaning to llhttp', async () => {
  const maker = new MessageMaker(1_174)
  const sum = await held(2_000, (index) => {
    const text = maker.response()
    return responseHolds(index % 2 === 0 ? text : maker.damaged(text), maker)
  })
  assert.ok(sum > 500, `only ${sum} were accepted`)
})
