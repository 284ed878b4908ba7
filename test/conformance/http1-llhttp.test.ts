// Whatever we accept, Node's parser must understand in the same way: two parsers in a row that read
// the same bytes differently are what request smuggling is made of. That we refuse more is intended;
// the few things that we accept and llhttp refuses are the table `deliberate` below.

import assert from 'node:assert/strict'
import http from 'node:http'
import { after, test } from 'node:test'
import { LlhttpServer, llhttpResponse } from './http1-llhttp.ts'
import type { Understood } from './http1-llhttp.ts'
import { MessageMaker } from './http1-messages.ts'
import { readRequests, readResponse } from './http1-reading.ts'
import type { Message } from './http1-reading.ts'

/** Connections read at the same time. */
const BATCH = 100
/** Follows a stream, to show that its last message ends where we say. */
const SENTINEL = 'GET /sentinel HTTP/1.1\r\nHost: sentinel\r\n\r\n'

const server = new LlhttpServer()
after(() => server.close())

function compare(ours: Message, theirs: Understood | null | undefined, text: string): void {
  const about = JSON.stringify({ text, ours })
  assert.ok(theirs !== undefined && theirs !== null, `llhttp refuses ${about}`)
  assert.equal(ours.start, theirs.start, about)
  assert.deepEqual(ours.fields, theirs.fields, about)
  assert.equal(ours.body, theirs.body, about)
  let from = 0
  for (const line of ours.trailers.split('\r\n')) {
    const at = theirs.trailers.indexOf(line, from)
    assert.ok(at >= 0, about)
    from = at + line.length
  }
}

/** The llhttp of Node 20 refuses a tab after a Content-Length, though it is white space. */
const TAB_AFTER_LENGTH = /content-length:[^\r]*\t *\r/i

/** Is the message one that llhttp reads differently for a known reason? */
function excepted(message: Message, text: string): boolean {
  const method = message.start.slice(0, message.start.indexOf(' '))
  return !http.METHODS.includes(method) || TAB_AFTER_LENGTH.test(text)
}

/** `node:http` reads nothing after a request for an upgrade, nor after the end of a connection. */
function isLast(message: Message): boolean {
  return message.fields.some((field) => field.toLowerCase() === 'upgrade')
}

/** Compares the requests that we accept in `text`; returns how many there are. */
async function compareRequests(text: string): Promise<number> {
  const reading = readRequests(Buffer.from(text, 'latin1'))
  const exception = reading.messages.findIndex((message) => excepted(message, text))
  const ours = exception < 0 ? reading.messages : reading.messages.slice(0, exception)
  const last = ours.findIndex(isLast)
  if (last >= 0) ours.length = last + 1
  const followed = last < 0 && !(exception < 0 && reading.end === 'closing')
  const accepted = text.slice(0, ours.at(-1)?.end ?? 0) + (followed ? SENTINEL : '')
  const theirs = await server.read(Buffer.from(accepted, 'latin1'))
  for (const [index, message] of ours.entries()) compare(message, theirs[index], text)
  if (followed) assert.equal(theirs[ours.length]?.start, 'GET /sentinel', JSON.stringify(text))
  return ours.length
}

async function compareResponse(text: string): Promise<number> {
  const method = text.length % 7 === 0 ? 'HEAD' : 'GET'
  const bytes = Buffer.from(text, 'latin1')
  const [message] = readResponse(bytes, method).messages
  if (message === undefined || message.start.startsWith('101')) return 0
  if (TAB_AFTER_LENGTH.test(text)) return 0
  compare(message, await llhttpResponse(bytes.subarray(0, message.end), method), text)
  return 1
}

async function total(texts: readonly string[], one: (text: string) => Promise<number>) {
  let sum = 0
  for (let i = 0; i < texts.length; i += BATCH) {
    for (const count of await Promise.all(texts.slice(i, i + BATCH).map(one))) sum += count
  }
  return sum
}

test('requests that we accept are the same to llhttp, damaged ones too', async () => {
  const maker = new MessageMaker(20_261)
  const texts = Array.from({ length: 6_000 }, (_, index) => {
    let text = maker.request()
    while (maker.below(3) === 0) text += maker.request()
    return index % 3 === 0 ? text : maker.damaged(text)
  })
  const accepted = await total(texts, compareRequests)
  assert.ok(accepted > 1_700, `only ${accepted} requests were accepted`)
})

test('responses that we accept are the same to llhttp, damaged ones too', async () => {
  const maker = new MessageMaker(11_620)
  const texts = Array.from({ length: 3_000 }, (_, index) => {
    const text = maker.response()
    return index % 3 === 0 ? text : maker.damaged(text)
  })
  const accepted = await total(texts, compareResponse)
  assert.ok(accepted > 700, `only ${accepted} responses were accepted`)
})

const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'

/** What we accept and llhttp refuses, each for a reason. */
const deliberate: readonly (readonly [why: string, text: string])[] = [
  ['any token is a method (RFC 9110 §9.1)', 'BREW / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['methods are case-sensitive, so this is one of its own', 'get / HTTP/1.1\r\nHost: a\r\n\r\n'],
  [
    'framing in trailers is dropped, not believed (RFC 9110 §6.5.1)',
    `${HEAD}0\r\nContent-Length: 9\r\n\r\n`,
  ],
]

for (const [why, text] of deliberate) {
  test(`we differ from llhttp on purpose: ${why}`, async () => {
    const bytes = Buffer.from(text, 'latin1')
    const ours = readRequests(bytes)
    assert.equal(ours.end, 'whole')
    assert.equal(ours.messages.length, 1)
    assert.equal(ours.messages[0]!.trailers, '')
    assert.deepEqual(await server.read(bytes), [])
  })
}
