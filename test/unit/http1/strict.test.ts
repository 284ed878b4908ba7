import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FaultCode } from '../../../src/core/fault.ts'
import { PARSE, RequestHead, ResponseHead } from '../../../src/http1/head.ts'
import { REFUSE, validAuthority } from '../../../src/http1/strict.ts'
import { drip, limits, parseRequest, parseResponse } from './messages.ts'

type Case = readonly [what: string, reason: keyof typeof REFUSE, text: string]

const HOST = 'Host: a.example\r\n'

/** A request with the field lines `lines`, each complete with its line end. */
function withLines(lines: string): string {
  return `GET / HTTP/1.1\r\n${HOST}${lines}\r\n`
}

const requests: readonly Case[] = [
  // Start line
  ['a request line without a method', 'method', ` / HTTP/1.1\r\n${HOST}\r\n`],
  ['a method that is no token', 'method', `G@T / HTTP/1.1\r\n${HOST}\r\n`],
  ['a method with a NUL', 'method', `GE\0T / HTTP/1.1\r\n${HOST}\r\n`],
  ['a tab after the method', 'method', `GET\t/ HTTP/1.1\r\n${HOST}\r\n`],
  ['a line with a method alone', 'method', `GET\r\n${HOST}\r\n`],
  ['a TLS greeting', 'method', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\n'],
  ['CONNECT', 'methodRefused', 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n'],
  ['TRACE', 'methodRefused', `TRACE / HTTP/1.1\r\n${HOST}\r\n`],
  ['trace in lower case', 'methodRefused', `trace / HTTP/1.1\r\n${HOST}\r\n`],
  ['two spaces before the target', 'target', `GET  / HTTP/1.1\r\n${HOST}\r\n`],
  ['two spaces after the target', 'versionGrammar', `GET /  HTTP/1.1\r\n${HOST}\r\n`],
  ['a space within the target', 'versionGrammar', `GET /a b HTTP/1.1\r\n${HOST}\r\n`],
  ['a tab within the target', 'targetByte', `GET /a\tb HTTP/1.1\r\n${HOST}\r\n`],
  ['a NUL within the target', 'targetByte', `GET /a\0b HTTP/1.1\r\n${HOST}\r\n`],
  ['a DEL within the target', 'targetByte', `GET /a\x7fb HTTP/1.1\r\n${HOST}\r\n`],
  ['a byte beyond ASCII within the target', 'targetByte', `GET /\xe4 HTTP/1.1\r\n${HOST}\r\n`],
  ['a fragment', 'fragment', `GET /a#b HTTP/1.1\r\n${HOST}\r\n`],
  ['a target that is a path without a slash', 'target', `GET a/b HTTP/1.1\r\n${HOST}\r\n`],
  ['a target that is an authority', 'target', `GET a.example:80 HTTP/1.1\r\n${HOST}\r\n`],
  ['an asterisk with another method than OPTIONS', 'asterisk', `GET * HTTP/1.1\r\n${HOST}\r\n`],
  ['an asterisk with a tail', 'target', `OPTIONS *a HTTP/1.1\r\n${HOST}\r\n`],
  ['another scheme than http and https', 'target', `GET ftp://a/ HTTP/1.1\r\n${HOST}\r\n`],
  ['an absolute target without an authority', 'target', `GET http:///a HTTP/1.1\r\n${HOST}\r\n`],
  ['an absolute target with userinfo', 'target', `GET http://u@a/ HTTP/1.1\r\n${HOST}\r\n`],
  ['a scheme alone', 'target', `GET http:// HTTP/1.1\r\n${HOST}\r\n`],
  ['a scheme with one slash', 'target', `GET http:/a.example/ HTTP/1.1\r\n${HOST}\r\n`],
  ['a target beyond its limit', 'targetLong', `GET /${'a'.repeat(256)} HTTP/1.1\r\n${HOST}\r\n`],
  ['an endless target', 'targetLong', `GET /${'a'.repeat(3_000)}`],
  ['a version missing', 'versionGrammar', `GET /\r\n${HOST}\r\n`],
  ['a version cut short', 'versionGrammar', 'GET / HTTP\r\n\r\n'],
  ['a version in lower case', 'versionGrammar', `GET / http/1.1\r\n${HOST}\r\n`],
  ['another protocol', 'versionGrammar', `GET / HTTQ/1.1\r\n${HOST}\r\n`],
  ['a version with a comma', 'versionGrammar', `GET / HTTP/1,1\r\n${HOST}\r\n`],
  ['a version with a letter', 'versionGrammar', `GET / HTTP/1.x\r\n${HOST}\r\n`],
  ['a version with two minor digits', 'versionGrammar', `GET / HTTP/1.10\r\n${HOST}\r\n`],
  ['a space after the version', 'versionGrammar', `GET / HTTP/1.1 \r\n${HOST}\r\n`],
  ['HTTP/0.9 by number', 'version', `GET / HTTP/0.9\r\n${HOST}\r\n`],
  ['HTTP/1.2', 'version', `GET / HTTP/1.2\r\n${HOST}\r\n`],
  ['HTTP/2.0', 'version', `GET / HTTP/2.0\r\n${HOST}\r\n`],
  ['the HTTP/2 preface', 'version', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['many empty lines before a request', 'emptyLines', '\r\n'.repeat(9)],
  ['an empty line of LF alone before a request', 'bareLf', `\nGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['a CR alone before a request', 'bareCr', `\rGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['a request line that ends in LF alone', 'bareLf', `GET / HTTP/1.1\n${HOST}\r\n`],
  ['a target that ends in LF', 'bareLf', `GET /\n${HOST}\r\n`],
  ['a method that ends in LF', 'bareLf', `GET\n${HOST}\r\n`],
  ['a request line that ends in CR alone', 'bareCr', `GET / HTTP/1.1\r${HOST}\r\n`],
  // Field lines
  ['a field line that ends in LF alone', 'bareLf', withLines('A: b\nC: d\r\n')],
  ['a field line without a colon that ends in LF alone', 'bareLf', withLines('A\nC: d\r\n')],
  ['a head that ends in LF alone', 'bareLf', `GET / HTTP/1.1\r\n${HOST}\n`],
  ['a CR within a value', 'bareCr', withLines('A: b\rC: d\r\n')],
  ['two CRs at the end of a line', 'bareCr', withLines('A: b\r\r\n')],
  ['a CR that begins a line', 'bareCr', withLines('\rA: b\r\n')],
  ['a folded value', 'folded', withLines('A: b\r\n c\r\n')],
  ['a value folded with a tab', 'folded', withLines('A: b\r\n\tc\r\n')],
  ['a first field line that is indented', 'folded', `GET / HTTP/1.1\r\n ${HOST}\r\n`],
  ['a field without a name', 'nameEmpty', withLines(': b\r\n')],
  ['a space before the colon', 'nameSpace', withLines('A : b\r\n')],
  ['a tab before the colon', 'nameSpace', withLines('A\t: b\r\n')],
  ['a space within a name', 'nameSpace', withLines('A B: c\r\n')],
  ['a NUL within a name', 'nameByte', withLines('A\0B: c\r\n')],
  ['a vertical tab within a name', 'nameByte', withLines('A\x0b: c\r\n')],
  ['a byte beyond ASCII within a name', 'nameByte', withLines('\xc4: c\r\n')],
  ['a parenthesis within a name', 'nameByte', withLines('A(: c\r\n')],
  ['a line without a colon', 'noColon', withLines('A\r\n')],
  ['a NUL within a value', 'valueByte', withLines('A: b\0c\r\n')],
  ['a vertical tab within a value', 'valueByte', withLines('A: b\x0bc\r\n')],
  ['a DEL within a value', 'valueByte', withLines('A: b\x7fc\r\n')],
  ['an escape within a long value', 'valueByte', withLines(`A: ${'b'.repeat(99)}\x1bc\r\n`)],
  ['a head beyond its limit', 'headLarge', withLines(`A: ${'b'.repeat(2_048)}\r\n`)],
  [
    'an endless head',
    'headLarge',
    withLines('').slice(0, -2) + `A: ${'b'.repeat(200)}\r\n`.repeat(15),
  ],
  ['too many fields', 'fieldsMany', withLines('A: b\r\n'.repeat(20))],
  // Host
  ['no Host in HTTP/1.1', 'hostMissing', 'GET / HTTP/1.1\r\n\r\n'],
  ['no Host beside an absolute target', 'hostMissing', 'GET http://a/ HTTP/1.1\r\n\r\n'],
  ['two Hosts', 'hostRepeated', withLines('Host: b.example\r\n')],
  ['the same Host twice', 'hostRepeated', withLines(HOST)],
  ['two Hosts in HTTP/1.0', 'hostRepeated', `GET / HTTP/1.0\r\n${HOST}${HOST}\r\n`],
  ['an empty Host', 'host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
  ['an empty Host in HTTP/1.0', 'host', 'GET / HTTP/1.0\r\nHost: \r\n\r\n'],
  ['a Host that is a list', 'host', 'GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n'],
  ['a Host with a comma', 'host', 'GET / HTTP/1.1\r\nHost: a.example,b.example\r\n\r\n'],
  ['a Host with userinfo', 'host', 'GET / HTTP/1.1\r\nHost: user@a.example\r\n\r\n'],
  ['a Host with a path', 'host', 'GET / HTTP/1.1\r\nHost: a.example/b\r\n\r\n'],
  ['a Host with a space', 'host', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
  [
    'a bad Host beside an absolute target',
    'host',
    'GET http://a.example/ HTTP/1.1\r\nHost: b/c\r\n\r\n',
  ],
  // Framing
  [
    'two Content-Lengths',
    'lengthRepeated',
    withLines('Content-Length: 5\r\nContent-Length: 6\r\n'),
  ],
  [
    'the same Content-Length twice',
    'lengthRepeated',
    withLines('Content-Length: 5\r\ncontent-length: 5\r\n'),
  ],
  ['a list as Content-Length', 'length', withLines('Content-Length: 5, 5\r\n')],
  ['a positive Content-Length', 'length', withLines('Content-Length: +5\r\n')],
  ['a negative Content-Length', 'length', withLines('Content-Length: -5\r\n')],
  ['a hexadecimal Content-Length', 'length', withLines('Content-Length: 0x5\r\n')],
  ['a fractional Content-Length', 'length', withLines('Content-Length: 5.0\r\n')],
  ['an empty Content-Length', 'length', withLines('Content-Length: \r\n')],
  ['a Content-Length in other digits', 'length', withLines('Content-Length: \xb2\r\n')],
  ['a Content-Length of 2^53', 'lengthLarge', withLines('Content-Length: 9007199254740992\r\n')],
  [
    'a Content-Length of 2^64',
    'lengthLarge',
    withLines('Content-Length: 18446744073709551616\r\n'),
  ],
  [
    'Content-Length with Transfer-Encoding',
    'lengthAndCoding',
    withLines('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'),
  ],
  [
    'Transfer-Encoding with Content-Length',
    'lengthAndCoding',
    withLines('Transfer-Encoding: chunked\r\nContent-Length: 0\r\n'),
  ],
  [
    'Transfer-Encoding in HTTP/1.0',
    'codingOld',
    'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n',
  ],
  ['an empty Transfer-Encoding', 'codingGrammar', withLines('Transfer-Encoding:\r\n')],
  ['a quoted chunked', 'codingGrammar', withLines('Transfer-Encoding: "chunked"\r\n')],
  ['chunked with a parameter', 'codingGrammar', withLines('Transfer-Encoding: chunked;q=1\r\n')],
  ['an empty list element', 'codingGrammar', withLines('Transfer-Encoding: chunked,\r\n')],
  ['obs-text after chunked', 'codingGrammar', withLines('Transfer-Encoding: chunked\xa0\r\n')],
  ['a word after chunked', 'codingGrammar', withLines('Transfer-Encoding: chunked gzip\r\n')],
  ['chunked twice in a list', 'codingOrder', withLines('Transfer-Encoding: chunked, chunked\r\n')],
  [
    'chunked twice in lines',
    'codingOrder',
    withLines('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'),
  ],
  ['chunked before another', 'codingOrder', withLines('Transfer-Encoding: chunked, gzip\r\n')],
  [
    'chunked and identity in lines',
    'codingOrder',
    withLines('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n'),
  ],
  ['xchunked', 'coding', withLines('Transfer-Encoding: xchunked\r\n')],
  ['identity', 'coding', withLines('Transfer-Encoding: identity\r\n')],
  ['gzip before chunked', 'coding', withLines('Transfer-Encoding: gzip, chunked\r\n')],
  ['a Connection that is no list of tokens', 'connection', withLines('Connection: a b\r\n')],
  ['a Connection with obs-text', 'connection', withLines('Connection: close\xa0\r\n')],
]

const statusOf: Partial<Record<keyof typeof REFUSE, FaultCode>> = {
  methodRefused: 'client-method-refused',
  targetLong: 'client-target-too-long',
  version: 'client-version-unsupported',
  headLarge: 'client-head-too-large',
  fieldsMany: 'client-head-too-large',
  coding: 'client-coding-unknown',
}

for (const [what, reason, text] of requests) {
  test(`a request is refused for ${what}`, () => {
    const { code, head } = parseRequest(text)
    assert.equal(code, PARSE.error)
    assert.equal(head.detail, REFUSE[reason].detail)
    assert.equal(head.fault, statusOf[reason] ?? 'client-bad-request')

    const dripped = new RequestHead(limits)
    assert.equal(drip(dripped, `${text}\r\n\r\n`), PARSE.error)
    assert.equal(dripped.fault, head.fault)
  })
}

const responses: readonly Case[] = [
  ['a short line of another protocol', 'versionGrammar', '-ERR\r\n'],
  ['a status line that is too short', 'status', 'HTTP/1.1 20\r\n'],
  ['another protocol', 'versionGrammar', 'ICY 200 OK okay\r\n\r\n'],
  ['a line before the status line', 'versionGrammar', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
  ['HTTP/2', 'versionGrammar', 'HTTP/2 200 OK okay\r\n\r\n'],
  ['HTTP/2.0', 'version', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['a status of two digits', 'status', 'HTTP/1.1 20 OK okay\r\n\r\n'],
  ['a status of four digits', 'reason', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['a status below 100', 'status', 'HTTP/1.1 099 OK\r\n\r\n'],
  ['a status above 599', 'status', 'HTTP/1.1 600 OK\r\n\r\n'],
  ['a status with a letter', 'status', 'HTTP/1.1 20O OK\r\n\r\n'],
  ['a signed status', 'status', 'HTTP/1.1 +20 OK\r\n\r\n'],
  ['two spaces before the status', 'status', 'HTTP/1.1  200 OK\r\n\r\n'],
  ['a tab before the status', 'status', 'HTTP/1.1\t200 OK\r\n\r\n'],
  ['a control byte in the reason', 'reason', 'HTTP/1.1 200 O\x01K\r\n\r\n'],
  ['a status line that ends in LF alone', 'bareLf', 'HTTP/1.1 200 OK\nA: b\r\n\r\n'],
  ['a CR within the reason', 'bareCr', 'HTTP/1.1 200 O\rK\r\n\r\n'],
  ['a folded value', 'folded', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
  ['a space before the colon', 'nameSpace', 'HTTP/1.1 200 OK\r\nA : b\r\n\r\n'],
  ['a NUL within a value', 'valueByte', 'HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n'],
  [
    'two Content-Lengths',
    'lengthRepeated',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n',
  ],
  ['a list as Content-Length', 'length', 'HTTP/1.1 200 OK\r\nContent-Length: 1,1\r\n\r\n'],
  [
    'Content-Length with Transfer-Encoding',
    'lengthAndCoding',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  ],
  [
    'an unknown transfer coding',
    'coding',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
  ],
  [
    'Transfer-Encoding in HTTP/1.0',
    'codingOld',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
  ],
  ['a Connection that is no list', 'connection', 'HTTP/1.1 200 OK\r\nConnection: a=b\r\n\r\n'],
  ['a head beyond its limit', 'headLarge', `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(2_048)}\r\n\r\n`],
  ['an endless reason', 'headLarge', `HTTP/1.1 200 ${'b'.repeat(2_048)}\r\n\r\n`],
  ['too many fields', 'fieldsMany', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(21)}\r\n`],
]

for (const [what, reason, text] of responses) {
  test(`a response is refused for ${what}`, () => {
    const { code, head } = parseResponse(text)
    assert.equal(code, PARSE.error)
    assert.equal(head.detail, REFUSE[reason].detail)
    const large = reason === 'headLarge' || reason === 'fieldsMany'
    assert.equal(head.fault, large ? 'backend-head-too-large' : 'backend-bad-response')

    const dripped = new ResponseHead(limits)
    assert.equal(drip(dripped, `${text}\r\n\r\n`), PARSE.error)
    assert.equal(dripped.fault, head.fault)
  })
}

test('every reason to refuse has a case above', () => {
  const seen = new Set([...requests, ...responses].map(([, reason]) => reason))
  assert.deepEqual(
    Object.keys(REFUSE).filter((reason) => !seen.has(reason as keyof typeof REFUSE)),
    [],
  )
})

const authorities: readonly (readonly [string, boolean])[] = [
  ['a', true],
  ['a.example', true],
  ['A.Example:80', true],
  ['a.example:', true],
  ['a.example:65535', true],
  ['a.example:65536', false],
  ['a.example:000080', false],
  ['a.example:8x', false],
  ['a.example:80:80', false],
  ['127.0.0.1:8080', true],
  ['under_score.example', true],
  ['%41.example', true],
  ['%4', false],
  ['%', false],
  ['%4g', false],
  ['%g4', false],
  [':80', false],
  ['', false],
  ['a b', false],
  ['a@b', false],
  ['a/b', false],
  ['a?b', false],
  ['a,b', false],
  ['a\\b', false],
  ['\xe4', false],
  ['[::1]', true],
  ['[::1]:80', true],
  ['[::]', true],
  ['[2001:db8::8:800:200c:417a]:443', true],
  ['[1:2:3:4:5:6:7:8]', true],
  ['[1:2:3:4:5:6:7::]', true],
  ['[::ffff:192.0.2.1]', true],
  ['[1:2:3:4:5:6:192.0.2.1]', true],
  ['[1:2:3:4:5:6:7]', false],
  ['[1:2:3:4:5:6:7:8:9]', false],
  ['[1:2:3:4:5:6:7:8::]', false],
  ['[1::2::3]', false],
  ['[:1]', false],
  ['[1:]', false],
  ['[12345::]', false],
  ['[::g]', false],
  ['[::256.0.0.1]', false],
  ['[192.0.2.1::]', false],
  ['[192.0.2.1]', false],
  ['[v1.a]', false],
  ['[fe80::1%25eth0]', false],
  ['[]', false],
  ['[::1', false],
  ['[::1]x', false],
  ['[::1]80', false],
  [`[${'0'.repeat(60)}::]`, false],
  ['::1', false],
]

for (const [text, valid] of authorities) {
  test(`${JSON.stringify(text)} is ${valid ? 'an' : 'no'} authority`, () => {
    const bytes = Buffer.from(`a${text}a`, 'latin1')
    assert.equal(validAuthority(bytes, 1, bytes.length - 1), valid)
  })
}
