// Short ways to write a configuration around one fragment, and the exact comparison of what is said
// about it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDiagnostics } from '../../../src/config/diagnostics.ts'
import type { LoadResult } from '../../../src/config/evaluate.ts'
import { parseConfig } from '../../../src/config/load.ts'

const app = 'pools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n'

/** A listener with these settings. */
export function web(settings: string): string {
  return `listeners:\n  web: { bind: ":8080", ${settings} }\n${app}`
}

/** A route. */
export function route(route: string): string {
  return `listeners:\n  web:\n    bind: :8080\n    routes:\n      - ${route}\n${app}`
}

/** A pool with these settings. */
export function pool(settings: string): string {
  return backends(`{ a: 10.0.0.1:80, b: 10.0.0.2:80 }\n    ${settings}`)
}

/** A pool with these backends. */
export function backends(backends: string): string {
  return `listeners:\n  web: { bind: ":8080", pool: app }\npools:\n  app:\n    backends: ${backends}\n`
}

/** A setting at the top, before a good listener and pool. */
export function top(setting: string): string {
  return `${setting}
listeners: { web: { bind: ":8080", pool: app } }
pools: { app: { backends: [10.0.0.1:80, 10.0.0.2:80] } }
`
}

/** Parses with a small environment and one secret file. */
export function parse(text: string): LoadResult {
  return parseConfig(text, {
    file: 'bad.yaml',
    env: { BALANCING: 'round-robin', PART: 'part', API_TOKEN: 's3cret\nx' },
    readFile(path) {
      if (path === 'secret') return 'hunter2\n'
      if (path === 'cert') return '-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n'
      throw Object.assign(new Error(path), { code: 'ENOENT' })
    },
  })
}

/** A configuration that is refused with exactly this text. */
export function bad(title: string, text: string, expected: string): void {
  test(`${title} is refused`, () => {
    const result = parse(text)
    assert.ok(!result.ok)
    assert.equal(formatDiagnostics(result.diagnostics), expected.replace(/^\n/, ''))
  })
}

/** A configuration that is accepted with exactly these warnings. */
export function doubtful(title: string, text: string, expected: string): void {
  test(`${title} is a warning`, () => {
    const result = parse(text)
    assert.ok(result.ok)
    assert.equal(formatDiagnostics(result.warnings), expected.replace(/^\n/, ''))
  })
}
