// The only place where answers of our own are made: faults, redirects and fixed responses.

import type { Fault } from '../core/fault.ts'

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  410: 'Gone',
  413: 'Content Too Large',
  414: 'URI Too Long',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
}

/** The reason phrase of a status; empty is legal where we know none (RFC 9112 §4). */
export function reasonOf(status: number): string {
  return REASONS[status] ?? ''
}

/** Seconds after which a client may try again when a pool has nobody or no room. */
const RETRY_AFTER_S = 1

/** Header lines of the answer to a fault. */
export function faultHeaders(cause: Fault): string {
  const retryAfter = cause.status === 503 ? `Retry-After: ${RETRY_AFTER_S}\r\n` : ''
  const allow =
    cause.status === 405 ? 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n' : ''
  return `Content-Type: text/plain; charset=utf-8\r\nEvenkeel-Fault: ${cause.code}\r\n${retryAfter}${allow}`
}

/** Body of the answer to a fault: for people. */
export function faultBody(cause: Fault): string {
  return `${cause.status} ${reasonOf(cause.status)}: ${cause.sentence}\n`
}
