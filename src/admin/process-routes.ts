// The paths about the process: does it live, may traffic come, what is it.

import { z } from 'zod'
import { json, text } from './answer.ts'
import { problem, PROBLEM_PATH, PROBLEMS } from './problem.ts'
import type { Route } from './route.ts'
import { readRoute } from './route.ts'

export interface VersionInfo {
  readonly version: string
  readonly node: string
  readonly pid: number
  readonly uptimeSeconds: number
  readonly threads: number
}

export interface Readiness {
  readonly ready: boolean
  /** One sentence; for a person who asks why. */
  readonly reason: string
}

/** Metrics as they are now. */
export interface Scrapable {
  readonly contentType: string
  scrape(): Promise<Buffer>
}

/** What these paths tell about. */
export interface ProcessSource {
  version(): VersionInfo
  readiness(): Readiness
  metrics(): Scrapable
}

const version = z.strictObject({
  version: z.string(),
  node: z.string(),
  pid: z.int(),
  uptimeSeconds: z.int(),
  threads: z.int().describe('Data threads that run.'),
})

const problemRow = z.strictObject({
  code: z.string(),
  status: z.int(),
  title: z.string(),
  sentence: z.string(),
})

export function processRoutes(source: ProcessSource): readonly Route[] {
  return [
    readRoute({
      path: '/livez',
      access: 'open',
      tag: 'process',
      summary: '200 as long as the process answers',
      result: { says: 'It answers.', type: 'text/plain', example: 'ok' },
      answer: () => text(200, 'ok'),
    }),
    readRoute({
      path: '/readyz',
      access: 'open',
      tag: 'process',
      summary: '200 when traffic may come, else 503 and the reason',
      result: { says: 'Traffic may come.', type: 'text/plain', example: 'ready' },
      answer: () => {
        const { ready, reason } = source.readiness()
        return text(ready ? 200 : 503, reason)
      },
    }),
    readRoute({
      path: '/metrics',
      tag: 'process',
      summary: 'metrics in the Prometheus text format',
      result: { says: 'All metrics.', type: 'text/plain' },
      answer: async () => {
        const metrics = source.metrics()
        return { status: 200, type: metrics.contentType, body: await metrics.scrape() }
      },
    }),
    readRoute({
      path: '/v1/version',
      tag: 'process',
      summary: 'version, process and uptime',
      result: {
        says: 'What runs.',
        schema: version,
        example: { version: '1.0.0', node: '22.12.0', pid: 1, uptimeSeconds: 60, threads: 4 },
      },
      answer: () => json(200, source.version()),
    }),
    readRoute({
      path: PROBLEM_PATH,
      tag: 'process',
      summary: 'what the code of a refusal means',
      result: { says: 'The code.', schema: problemRow, example: PROBLEMS[0] },
      answer: ({ params }) => {
        const row = PROBLEMS.find(({ code }) => code === params.code)
        if (row !== undefined) return json(200, row)
        const codes = PROBLEMS.map(({ code }) => code)
        return problem('no-path', `There is no code '${params.code}'.`, { codes })
      },
    }),
  ]
}
