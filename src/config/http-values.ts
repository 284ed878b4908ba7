// Pieces of HTTP that a configuration may hold: header names and values, methods, paths, hosts,
// statuses, redirect targets. Checked against RFC 9110 and RFC 3986 here, so that the data plane
// may write them into a message as they are.

import { domainToASCII } from 'node:url'
import { isIPv6 } from 'node:net'
import { AMBIGUOUS, hasDotSegment, normalizePath } from '../route/path.ts'
import { nearest } from '../core/nearest.ts'
import { accept, quote, type Reading, readInteger, refuse } from './units.ts'

/** RFC 9110 §5.6.2. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

// RFC 9110 §7.6.1 and RFC 9112 §6: framing and connection control belong to each hop, ours included.
const ownHeaders = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** A header name in lower case. */
export function readHeaderName(text: string): Reading<string> {
  if (text.endsWith(':')) {
    return refuse(`${quote(text)} is not a header name`, 'leave out the colon at its end')
  }
  if (!token.test(text)) {
    return refuse(
      `${quote(text)} is not a header name`,
      'letters, digits and - such as x-request-id',
    )
  }
  return accept(text.toLowerCase())
}

/** A header name that a route may set or remove: not one that frames the message or rules the hop. */
export function readChangedHeader(text: string): Reading<string> {
  const name = readHeaderName(text)
  if (!name.ok) return name
  if (ownHeaders.has(name.value)) {
    return refuse(
      `${name.value} concerns one connection only, so Evenkeel writes it anew on each side`,
      'remove this line; framing and hop-by-hop headers cannot be changed',
    )
  }
  if (name.value.startsWith('evenkeel-')) {
    return refuse('headers that begin with evenkeel- are set by Evenkeel alone')
  }
  return name
}

/** A header of a health check; Host has a key of its own. */
export function readCheckHeader(text: string): Reading<string> {
  const name = readChangedHeader(text)
  if (!name.ok || name.value !== 'host') return name
  return refuse('Host has a key of its own', 'write http: { host: ... } instead')
}

/** A header value that can be written as latin1 on one line (RFC 9110 §5.5). */
export function readHeaderValue(text: string): Reading<string> {
  if (/[\r\n]/.test(text)) return refuse('a header value must be on one line')
  // oxlint-disable-next-line no-control-regex -- finding them is the purpose
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text)) {
    return refuse('a header value must not hold control characters')
  }
  if (/[\u0100-\uffff]/.test(text)) {
    return refuse(
      `${quote(text)} holds letters that a header cannot carry`,
      'use ASCII, or percent-encode them',
    )
  }
  if (text !== text.trim()) return refuse(`${quote(text)} begins or ends with a space`)
  return accept(text)
}

const usualMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** A request method in upper case. CONNECT and TRACE are never forwarded, so never matched. */
export function readMethod(text: string): Reading<string> {
  const method = text.toUpperCase()
  if (!token.test(method)) return refuse(`${quote(text)} is not a method`, 'such as GET or POST')
  if (method === 'CONNECT' || method === 'TRACE') {
    return refuse(`${method} is always refused, so a route for it is of no use`)
  }
  if (usualMethods.includes(method)) return accept(method)
  const near = method.length > 2 ? nearest(method, usualMethods) : null
  if (near !== null && !['PROPFIND', 'REPORT', 'SEARCH', 'LOCK', 'MOVE', 'COPY'].includes(method)) {
    return refuse(`${quote(text)} is not a method`, `did you mean ${near}?`)
  }
  return accept(method)
}

/**
 * A path to match or to put in: begins with `/`, without query, wildcard or regular expression. In
 * the form that requests are matched in.
 */
export function readPath(text: string): Reading<string> {
  if (text === '') return refuse('is empty', 'write / to match every path')
  if (/[\^$\\()|]/.test(text) && !text.startsWith('/')) {
    return refuse(`${quote(text)} is a regular expression`, 'path takes a prefix such as /v1/')
  }
  if (!text.startsWith('/')) return refuse(`${quote(text)} does not begin with /`, `write /${text}`)
  const star = text.indexOf('*')
  if (star >= 0) {
    return refuse(
      `${quote(text)} holds a wildcard`,
      `path is a prefix already: write ${text.slice(0, star)}`,
    )
  }
  if (/[?#]/.test(text)) {
    return refuse(`${quote(text)} holds a query or fragment`, 'routes match the path alone')
  }
  if (!/^[\u0021-\u007e]+$/.test(text)) {
    return refuse(
      `${quote(text)} holds characters that a path cannot carry`,
      'percent-encode them, as clients do',
    )
  }
  const normal = normalizePath(text)
  if (normal === AMBIGUOUS) {
    return refuse(`${quote(text)} means different paths to different servers`, 'write it plainly')
  }
  if (hasDotSegment(text)) {
    return refuse(`${quote(text)} has . or .. for a segment`, `write ${normal}`)
  }
  return accept(normal)
}

/** A path with an optional query, as health checks request it. */
export function readTarget(text: string): Reading<string> {
  if (!text.startsWith('/')) return refuse(`${quote(text)} does not begin with /`, `write /${text}`)
  if (!/^[\u0021-\u007e]+$/.test(text) || text.includes('#')) {
    // What stands behind the question mark may be a secret, and this ends up in logs.
    const [path = ''] = text.split('?', 1)
    const shown = path === text ? quote(text) : quote(`${path}?...`)
    return refuse(`${shown} holds characters that a request target cannot carry`)
  }
  return accept(text)
}

const hostPattern = /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/

/** A host to match, in lower case: exact, or `*.` and any subdomain of the rest. */
export function readHostPattern(text: string): Reading<string> {
  const hint = 'write a host such as api.example.com or "*.example.com"'
  const host = text.toLowerCase()
  if (host === '*') return refuse('"*" is every host', 'leave out host to match every host')
  if (/^[a-z]+:\/\//.test(host)) {
    return refuse(`${quote(text)} is a URL`, `write ${new URL(host).hostname || 'the host alone'}`)
  }
  if (/^\[.*\]$/.test(host) && isIPv6(host.slice(1, -1))) return accept(host)
  const port = /^(.*[^:]):\d*$/.exec(host)
  if (port !== null && !isIPv6(host)) {
    return refuse(`${quote(text)} has a port, but hosts are matched without`, `write ${port[1]!}`)
  }
  if (/[\u0080-\uffff]/.test(host)) {
    const ascii = domainToASCII(host)
    return refuse(
      `${quote(text)} is not how it is sent`,
      ascii === '' ? hint : `write ${ascii}, as browsers send it`,
    )
  }
  if (hostPattern.test(host)) return accept(host)
  if (host.includes('*')) {
    return refuse(
      `${quote(text)} has its wildcard in the wrong place`,
      'only "*.example.com" works',
    )
  }
  return refuse(`${quote(text)} is not a host`, hint)
}

/** `200`, `200-299`, or several of them with commas; inclusive ranges of 100…599. */
export function readStatusRanges(text: string): Reading<(readonly [number, number])[]> {
  const hint = 'write a status such as 200, or a range such as 200-299'
  const ranges: (readonly [number, number])[] = []
  for (const piece of text.split(',')) {
    const found = /^\s*(\d{3})(?:\s*-\s*(\d{3}))?\s*$/.exec(piece)
    if (found === null) {
      const family = /^\s*([1-5])xx\s*$/i.exec(piece)?.[1]
      return refuse(
        `${quote(piece.trim())} is not a status`,
        family === undefined ? hint : `write ${family}00-${family}99`,
      )
    }
    const from = Number(found[1])
    const to = Number(found[2] ?? found[1])
    if (from < 100 || to > 599) return refuse(`${quote(piece.trim())} is not within 100-599`, hint)
    if (from > to) return refuse(`${quote(piece.trim())} runs backward`, `write ${to}-${from}`)
    ranges.push([from, to])
  }
  return accept(ranges)
}

/** Status of a reply of our own: a final one. */
export function readReplyStatus(text: string): Reading<number> {
  return readInteger(text, 200, 599)
}

/** Where a redirect leads: an absolute URL or path, with `*` at its end for the request's own path. */
export function readLocation(text: string): Reading<string> {
  const hint = 'write a URL such as https://example.com/* or a path such as /new'
  if (!/^(https?:\/\/[^/?#\s*]+|\/)/i.test(text)) {
    return refuse(`${quote(text)} is no place to redirect to`, hint)
  }
  if (!/^[\u0021-\u007e]+$/.test(text)) {
    return refuse(`${quote(text)} holds characters that a URL cannot carry`, 'percent-encode them')
  }
  const star = text.indexOf('*')
  if (star >= 0 && star !== text.length - 1) {
    return refuse(`${quote(text)} has * before its end`, hint)
  }
  return accept(text)
}

/** Status of a redirect. */
export function readRedirectStatus(text: string): Reading<301 | 302 | 303 | 307 | 308> {
  const status = Number(text)
  switch (status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      return accept(status)
    default:
      return refuse(`${quote(text)} is not a redirect`, 'write 301, 302, 303, 307 or 308')
  }
}
