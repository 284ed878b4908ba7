// Makes byte streams for the comparison with other parsers: mostly valid messages from the parts
// that parsers disagree on, and small damage to them. A seed repeats a run exactly.

import { seededRandom } from '../../src/core/random.ts'
import type { Random } from '../../src/core/random.ts'

const METHODS = [
  'GET',
  'GET',
  'GET',
  'POST',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'PROPFIND',
]
const TARGETS = [
  '/',
  '/a/b?c=d&e',
  '//x',
  '/%2e%2e/%zz',
  '/a;b=c',
  '/"<>\\^`{|}~[]',
  'http://b.example/c?d',
  'http://b.example:8080',
  'https://[::1]/',
  '*',
  '/?',
]
const HOSTS = [
  'a.example',
  'a.example:80',
  '[::1]:8080',
  '127.0.0.1',
  'a_b',
  'a.example:',
  'a,b',
  '',
]
const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0']
const LINES = [
  'Accept: */*',
  'X-Empty:',
  'X-Space:  a \t b\t ',
  'X-Text: \xe4\xff\x80',
  'Cookie: a=b; c="d"',
  'cookie: e=f',
  'X-Long: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789',
  'Connection: keep-alive',
  'Connection: close',
  'Connection: x, keep-alive',
  'connection: Upgrade',
  'Upgrade: websocket',
  'TE: trailers',
  'Expect: 100-continue',
  'Content-Type: text/plain',
  "!#$%&'*+-.^_`|~: token",
  'Trailer: X-Sum',
  'Keep-Alive: timeout=5',
  'Proxy-Connection: keep-alive',
  'HTTP2-Settings: AAAA',
  'Evenkeel-Epoch: 7',
  'X-Forwarded-For: 10.0.0.1',
  'Forwarded: for=10.0.0.1',
  'Date: Sun, 06 Nov 1994 08:49:37 GMT',
]
const ODD_LINES = [
  'Content-Length: 5',
  'Content-Length: 05',
  'Content-Length: +5',
  'Content-Length: 5, 5',
  'Content-Length: 0x5',
  'Content-Length : 5',
  ' Content-Length: 5',
  'Content-Length:\t5',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: Chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding:\x0bchunked',
  'Transfer-Encoding\t: chunked',
  'X: y\r\n Transfer-Encoding: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'Host: second.example',
  'X\0: y',
  'X: \0',
]
const DAMAGE = '\0\t\n\r\x0b\x0c\x1f \x7f\x80\x85\xa0\xff:;,/=?#@"()[]{}+-.0159aAfFzZ\r\n\r\n'
const EXTENSIONS = ['', '', '', '', ';a', ';a=b', ';a="b c"', ' ', ';']
const TRAILERS = ['', '', '', 'X-Sum: 1\r\n', 'a:b\r\nc:\td \r\n', 'Cookie: x\r\n', 'Host: x\r\n']

/** A source of messages. */
export class MessageMaker {
  readonly #random: Random

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor(this.#random.next() * below)
  }

  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  #lines(): string {
    let lines = ''
    for (let i = this.below(6); i > 0; i--) lines += `${this.one(LINES)}\r\n`
    if (this.below(8) === 0) lines += `${this.one(ODD_LINES)}\r\n`
    return lines
  }

  /** A chunked body with its end. */
  chunks(): string {
    let text = ''
    for (let i = this.below(4); i > 0; i--) {
      const length = 1 + this.below(30)
      const size =
        this.below(2) === 0 ? length.toString(16) : `0${length.toString(16).toUpperCase()}`
      text += `${size}${this.one(EXTENSIONS)}\r\n${this.#data(length)}\r\n`
    }
    return `${text}0${this.one(EXTENSIONS)}\r\n${this.one(TRAILERS)}\r\n`
  }

  #data(length: number): string {
    let data = ''
    while (data.length < length)
      data += this.one(['\r\n', '0\r\n\r\n', 'x', 'GET / HTTP/1.1', '\xff'])
    return data.slice(0, length)
  }

  #framed(): { line: string; body: string } {
    const kind = this.below(5)
    if (kind === 0) return { line: 'Transfer-Encoding: chunked\r\n', body: this.chunks() }
    if (kind > 2) return { line: '', body: '' }
    const body = this.#data(this.below(40))
    return { line: `Content-Length: ${body.length}\r\n`, body }
  }

  /** One request, as a rule valid. */
  request(): string {
    const start = `${this.one(METHODS)} ${this.one(TARGETS)} ${this.one(VERSIONS)}\r\n`
    const host = this.below(20) === 0 ? '' : `Host: ${this.one(HOSTS)}\r\n`
    const { line, body } = this.#framed()
    return `${start}${this.#lines()}${host}${line}${this.#lines()}\r\n${body}`
  }

  /** One response, as a rule valid. */
  response(): string {
    const status = this.one(['200 OK', '200 OK', '404 Not Found', '204 x', '304 x', '500 ', '299'])
    const { line, body } = this.#framed()
    const before = this.below(10) === 0 ? 'HTTP/1.1 100 Continue\r\n\r\n' : ''
    const start = `${before}${this.one(VERSIONS)} ${status}\r\n`
    const rest = this.below(4) === 0 ? this.#data(20) : ''
    return `${start}${this.#lines()}${line}${this.#lines()}\r\n${body}${rest}`
  }

  /** The same with a few bytes replaced, inserted or taken out. */
  damaged(text: string): string {
    let result = text
    for (let i = 1 + this.below(2); i > 0; i--) {
      const at = this.below(result.length)
      const byte = DAMAGE[this.below(DAMAGE.length)]!
      const from = at + this.below(2)
      result = result.slice(0, at) + (this.below(3) === 0 ? '' : byte) + result.slice(from)
    }
    return result
  }
}
