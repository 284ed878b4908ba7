// Streams made to be read in two ways, after the published techniques (CL.TE, TE.CL, TE.TE, CL.0,
// chunk sizes, line ends, hidden lines). Each hides a request for `/smuggled` in what another parser
// may take for a body. Whoever reads both requests, or forwards the ambiguity, has lost.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRequests } from './http1-reading.ts'

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

/** A POST with `lines` as its framing, and a body that ends early for those who believe chunked. */
function hidden(lines: string): string {
  return `POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n0\r\n\r\n${SMUGGLED}`
}

const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
const LENGTH = `Content-Length: ${5 + SMUGGLED.length}\r\n`
const CODING = 'Transfer-Encoding: chunked\r\n'

/** Refused as a whole: not even the first request is read. */
const refused: readonly (readonly [technique: string, stream: string])[] = [
  ['CL.TE', hidden(LENGTH + CODING)],
  ['TE.CL', hidden(`${CODING}Content-Length: 4\r\n`)],
  ['CL.TE with a length of 0', hidden(`Content-Length: 0\r\n${CODING}`)],
  ['CL.TE with other cases', hidden(`content-LENGTH: 5\r\ntransfer-ENCODING: CHUNKED\r\n`)],
  ['CL.CL', hidden(`Content-Length: 5\r\n${LENGTH}`)],
  ['CL.CL in a list', hidden(`Content-Length: 5, ${5 + SMUGGLED.length}\r\n`)],
  ['a length with a plus', hidden('Content-Length: +5\r\n')],
  ['a length with a minus', hidden('Content-Length: -5\r\n')],
  ['a length with a space within', hidden('Content-Length: 5 5\r\n')],
  ['a length in hex', hidden('Content-Length: 0x05\r\n')],
  ['a length with an exponent', hidden('Content-Length: 5e0\r\n')],
  ['a length with an underscore', hidden('Content-Length: 0_5\r\n')],
  ['a length that wraps at 2^64', hidden('Content-Length: 18446744073709551621\r\n')],
  ['a length that wraps at 2^32', hidden('Content-Length: 99999999999999999999\r\n')],
  ['a length with a NUL', hidden('Content-Length: 5\0\r\n')],
  ['a length with a vertical tab', hidden('Content-Length: \x0b5\r\n')],
  ['a length in quotes', hidden('Content-Length: "5"\r\n')],
  ['a length with a comma after it', hidden('Content-Length: 5,\r\n')],
  ['a length with a comment', hidden('Content-Length: 5 (five)\r\n')],
  ['a length with a space before the colon', hidden('Content-Length : 5\r\n')],
  ['a length with a tab before the colon', hidden('Content-Length\t: 5\r\n')],
  ['a length with a NUL in its name', hidden('Content-Length\0: 5\r\n')],
  ['a length on a folded line', hidden('Content-Length:\r\n 5\r\n')],
  ['a length behind a fold', hidden('X: y\r\n Content-Length: 5\r\n')],
  ['a length behind a bare LF', hidden(`X: y\nContent-Length: 5\r\n`)],
  ['a length behind a bare CR', hidden(`X: y\rContent-Length: 5\r\n`)],
  [
    'a length on an indented first line',
    `POST / HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\n`,
  ],
  ['a coding behind a bare LF', hidden(`${LENGTH}X: y\n${CODING}`)],
  ['a coding behind a bare CR', hidden(`${LENGTH}X: y\r${CODING}`)],
  ['a coding behind two CRs', hidden(`${LENGTH}X: y\r\r\n${CODING}`)],
  ['a coding behind a NUL', hidden(`${LENGTH}X: \0\r\n${CODING}`)],
  ['TE.TE with xchunked', hidden('Transfer-Encoding: xchunked\r\n')],
  ['TE.TE with chunked and xchunked', hidden(`${CODING}Transfer-Encoding: xchunked\r\n`)],
  ['TE.TE with identity', hidden(`${CODING}Transfer-Encoding: identity\r\n`)],
  ['TE.TE with identity first', hidden(`Transfer-Encoding: identity\r\n${CODING}`)],
  ['TE.TE with cow', hidden(`Transfer-Encoding: cow\r\n${CODING}`)],
  ['TE.TE with an empty one', hidden(`Transfer-Encoding:\r\n${CODING}`)],
  ['chunked twice', hidden(`${CODING}${CODING}`)],
  ['chunked twice in a list', hidden('Transfer-Encoding: chunked, chunked\r\n')],
  ['chunked before identity in a list', hidden('Transfer-Encoding: chunked, identity\r\n')],
  ['chunked after identity in a list', hidden('Transfer-Encoding: identity, chunked\r\n')],
  ['a comma before chunked', hidden('Transfer-Encoding: ,chunked\r\n')],
  ['a comma after chunked', hidden('Transfer-Encoding: chunked,\r\n')],
  ['a semicolon after chunked', hidden('Transfer-Encoding: chunked;\r\n')],
  ['a quoted chunked', hidden('Transfer-Encoding: "chunked"\r\n')],
  ['a single-quoted chunked', hidden("Transfer-Encoding: 'chunked'\r\n")],
  ['chunk', hidden('Transfer-Encoding: chunk\r\n')],
  ['chunked with a letter too many', hidden('Transfer-Encoding: chunkedd\r\n')],
  ['chunked with a word before', hidden('Transfer-Encoding: x chunked\r\n')],
  ['chunked after a vertical tab', hidden('Transfer-Encoding: \x0bchunked\r\n')],
  ['chunked before a vertical tab', hidden('Transfer-Encoding: chunked\x0b\r\n')],
  ['chunked after a form feed', hidden('Transfer-Encoding: \x0cchunked\r\n')],
  ['chunked after a NUL', hidden('Transfer-Encoding: \0chunked\r\n')],
  ['chunked after a no-break space', hidden('Transfer-Encoding: \xa0chunked\r\n')],
  ['chunked before a no-break space', hidden('Transfer-Encoding: chunked\xa0\r\n')],
  ['chunked after a next-line byte', hidden('Transfer-Encoding: \x85chunked\r\n')],
  ['a letter beyond ASCII', hidden('Transfer-Encoding: chunke\xd0\r\n')],
  ['a space before the colon of the coding', hidden('Transfer-Encoding : chunked\r\n')],
  ['a tab before the colon of the coding', hidden('Transfer-Encoding\t: chunked\r\n')],
  ['a space before the coding', hidden('Host2: x\r\n Transfer-Encoding: chunked\r\n')],
  ['a tab before the coding', hidden('X: y\r\n\tTransfer-Encoding: chunked\r\n')],
  ['a coding on a folded line', hidden('Transfer-Encoding:\r\n chunked\r\n')],
  ['a coding on a tab-folded line', hidden('Transfer-Encoding:\r\n\tchunked\r\n')],
  ['a coding without a colon', hidden('Transfer-Encoding chunked\r\n')],
  ['a coding with a NUL in its name', hidden('Transfer-Encoding\0: chunked\r\n')],
  ['a colon before the coding', hidden(':Transfer-Encoding: chunked\r\n')],
  ['a coding with a letter beyond ASCII in its name', hidden('Transfer\xadEncoding: chunked\r\n')],
  ['a coding in HTTP/1.0', hidden(CODING).replace('HTTP/1.1', 'HTTP/1.0')],
  ['a version that is neither', hidden(LENGTH).replace('HTTP/1.1', 'HTTP/1.2')],
  ['HTTP/0.9 by form', `GET /smuggled\r\n\r\n`],
  ['a line end within the target', `GET /\r\nX: HTTP/1.1\r\nHost: a\r\n\r\n${SMUGGLED}`],
  ['a request line that ends in LF', `GET / HTTP/1.1\nHost: a\r\n\r\n${SMUGGLED}`],
  ['a head that ends in two LFs', `GET / HTTP/1.1\r\nHost: a\n\n${SMUGGLED}`],
  ['a head that ends in LF CR LF', `GET / HTTP/1.1\r\nHost: a\n\r\n${SMUGGLED}`],
  ['a head that ends in CR', `GET / HTTP/1.1\r\nHost: a\r\n\r${SMUGGLED}`],
  ['two Hosts', `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${SMUGGLED}`],
  ['a second Host behind a space', `GET / HTTP/1.1\r\nHost: a\r\n Host: b\r\n\r\n${SMUGGLED}`],
  ['a Host with a space before its colon', `GET / HTTP/1.1\r\nHost : a\r\n\r\n${SMUGGLED}`],
  ['a Host with a path', `GET / HTTP/1.1\r\nHost: a/smuggled\r\n\r\n${SMUGGLED}`],
  // The body of the first request is where it goes wrong.
  ['a chunk size with a plus', `${CHUNKED}+0\r\n\r\n${SMUGGLED}`],
  ['a chunk size with a minus', `${CHUNKED}-0\r\n\r\n${SMUGGLED}`],
  ['a chunk size in 0x', `${CHUNKED}0x0\r\n\r\n${SMUGGLED}`],
  ['a chunk size after a space', `${CHUNKED} 0\r\n\r\n${SMUGGLED}`],
  ['a chunk size before a space', `${CHUNKED}0 \r\n\r\n${SMUGGLED}`],
  ['a chunk size with an underscore', `${CHUNKED}0_0\r\n\r\n${SMUGGLED}`],
  ['a chunk size that wraps at 2^32', `${CHUNKED}100000000000000000\r\n\r\n${SMUGGLED}`],
  ['a chunk size that wraps at 2^64', `${CHUNKED}10000000000000000\r\n\r\n${SMUGGLED}`],
  ['a chunk size that ends in LF', `${CHUNKED}0\n\r\n${SMUGGLED}`],
  ['a chunk size that ends in CR', `${CHUNKED}0\r\r\n${SMUGGLED}`],
  ['a chunk size with a comma', `${CHUNKED}0,5\r\n\r\n${SMUGGLED}`],
  ['an empty chunk size', `${CHUNKED}\r\n\r\n${SMUGGLED}`],
  ['an extension that ends in LF', `${CHUNKED}0;\n\r\n${SMUGGLED}`],
  ['an extension with a LF within', `${CHUNKED}2;a\nxx\r\n0\r\n\r\n${SMUGGLED}`],
  ['an extension with a quoted line end', `${CHUNKED}2;a="\r\n"\r\nxx\r\n0\r\n\r\n${SMUGGLED}`],
  ['chunk data without its line end', `${CHUNKED}1\r\nx0\r\n\r\n${SMUGGLED}`],
  ['chunk data that ends in LF', `${CHUNKED}1\r\nx\n0\r\n\r\n${SMUGGLED}`],
  ['chunk data that ends in two other bytes', `${CHUNKED}1\r\nxXX0\r\n\r\n${SMUGGLED}`],
  ['a last chunk that ends in LF', `${CHUNKED}0\r\n\n${SMUGGLED}`],
  ['a request in the place of trailers', `${CHUNKED}0\r\n${SMUGGLED}`],
]

for (const [technique, stream] of refused) {
  test(`smuggling fails by ${technique}`, () => {
    const { messages, end } = readRequests(Buffer.from(stream, 'latin1'))
    assert.equal(end, 'refused')
    assert.deepEqual(messages, [])
  })
}

/** Read in the only way there is: the hidden request is body, or it is a request in plain sight. */
const plain: readonly (readonly [what: string, stream: string, starts: readonly string[]])[] = [
  ['a length that covers it', hidden(LENGTH), ['POST /']],
  ['chunks that cover it', `${CHUNKED}24\r\n${SMUGGLED.padEnd(36)}\r\n0\r\n\r\n`, ['POST /']],
  ['a body of a GET', hidden(LENGTH).replace('POST', 'GET'), ['GET /']],
  [
    'a field that only looks like a coding',
    hidden(`Transfer_Encoding: chunked\r\nX-Transfer-Encoding: chunked\r\n${LENGTH}`),
    ['POST /'],
  ],
  [
    'a pipelined request',
    `${CHUNKED}0\r\nContent-Length: 100\r\n\r\n${SMUGGLED}`,
    ['POST /', 'GET /smuggled'],
  ],
]

for (const [what, stream, starts] of plain) {
  test(`there is one way to read ${what}`, () => {
    const { messages } = readRequests(Buffer.from(stream, 'latin1'))
    assert.deepEqual(
      messages.map(({ start }) => start),
      starts,
    )
  })
}
