// Serves the dashboard: one page and the files it is made of, as they lie in `page/`, and the charts of
// uPlot. Open to everybody, since a browser can't send a token for a page; the files hold no secret and
// are the same for all. Must never serve a path that a client makes up: the list is closed.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Answer } from './answer.ts'
import { problem } from './problem.ts'
import type { Call, Route } from './route.ts'
import { readRoute } from './route.ts'

const JS = 'text/javascript; charset=utf-8'
const CSS = 'text/css; charset=utf-8'
const TEXT = 'text/plain; charset=utf-8'

const scripts = [
  'page',
  'ask-dialog',
  'backends',
  'change-dialog',
  'charts',
  'connection',
  'dom',
  'events',
  'failover',
  'header',
  'incidents',
  'move-dialog',
  'pools',
  'samples',
  'token-dialog',
  'words',
]

/** What there is: the name it is asked for by, its type, and where it lies. */
const files: ReadonlyMap<string, { readonly type: string; path(): string }> = new Map([
  ['page.html', { type: 'text/html; charset=utf-8', path: () => own('page.html') }],
  ['page.css', { type: CSS, path: () => own('page.css') }],
  ['icon.svg', { type: 'image/svg+xml', path: () => own('icon.svg') }],
  ...scripts.map((name) => [`${name}.js`, { type: JS, path: () => own(`${name}.js`) }] as const),
  ['uplot.js', { type: JS, path: () => charts('dist/uPlot.esm.js') }],
  ['uplot.css', { type: CSS, path: () => charts('dist/uPlot.min.css') }],
  ['uplot-license.txt', { type: TEXT, path: () => charts('LICENSE') }],
])

function own(name: string): string {
  return join(dirname(fileURLToPath(import.meta.url)), 'page', name)
}

function charts(name: string): string {
  const main = createRequire(import.meta.url).resolve('uplot')
  return join(dirname(main), '..', name)
}

/**
 * What the page may do: run and load what comes from here, talk to here, and nothing else. No text can
 * become markup (`trusted-types`), and no other page can frame it (clickjacking).
 */
const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
}

interface Kept {
  readonly body: Buffer
  readonly etag: string
}

export function pageRoutes(): readonly Route[] {
  const kept = new Map<string, Kept>()
  const page = {
    access: 'open',
    tag: 'page',
    result: { says: 'The page.', type: 'text/html' },
    answer: (call: Call) => serve('page.html', call, kept),
  } as const
  return [
    readRoute({ ...page, path: '/', summary: 'the dashboard' }),
    readRoute({ ...page, path: '/ui', summary: 'the dashboard, too' }),
    readRoute({
      path: '/ui/{file}',
      access: 'open',
      tag: 'page',
      summary: 'a file of the dashboard',
      result: { says: 'The file.', type: 'text/plain' },
      problems: ['no-path'],
      answer: (call) => serve(call.params.file, call, kept),
    }),
  ]
}

/** Answers with a file of the list, or says that the browser has it already (RFC 9110 §13.1.2). */
async function serve(name: string, { headers }: Call, kept: Map<string, Kept>): Promise<Answer> {
  const file = files.get(name)
  if (file === undefined) return problem('no-path', `The dashboard has no file '${name}'.`)
  let found = kept.get(name)
  if (found === undefined) {
    const body = await readFile(file.path())
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
    found = { body, etag }
    kept.set(name, found)
  }
  const { body, etag } = found
  const sent = { ...PAGE_HEADERS, etag, 'cache-control': 'no-cache' }
  if (headers['if-none-match'] === etag) {
    const length = { 'content-length': String(body.length) }
    return { status: 304, type: file.type, body: '', headers: { ...sent, ...length } }
  }
  return { status: 200, type: file.type, body, headers: sent }
}
