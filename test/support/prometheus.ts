// A real Prometheus in a folder of its own, with our rules, and promtool.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, isListening } from './ports.ts'
import { runProcess, startProcess, temporaryFolder, waitUntilReady } from './processes.ts'

const root = new URL('../../../', import.meta.url)

/** Where our files for monitoring are. */
export const rulesFile = fileURLToPath(new URL('conf/deploy/prometheus/evenkeel.rules.yml', root))
export const rulesTestFile = fileURLToPath(
  new URL('conf/deploy/prometheus/evenkeel.rules.test.yml', root),
)
export const dashboardFile = fileURLToPath(new URL('conf/deploy/grafana/evenkeel.json', root))

const METRIC = /\bevenkeel_[a-z0-9_]+\b/g

/** Names of metrics in an expression; those of recording rules have a colon before them. */
export function metricsIn(text: string): string[] {
  return [
    ...new Set([...text.matchAll(METRIC)].filter((found) => text[found.index - 1] !== ':')),
  ].map(([name]) => name)
}

interface Panel {
  readonly title: string
  readonly type: string
  readonly gridPos: {
    readonly x: number
    readonly y: number
    readonly w: number
    readonly h: number
  }
  readonly targets?: readonly { readonly expr: string }[]
}

export interface Dashboard {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly query: unknown }[] }
}

export interface Prometheus {
  /** Result of a query at this moment. */
  query(expression: string): Promise<readonly { readonly metric: Record<string, string> }[]>
  /** State of the rules. */
  rules(): Promise<
    readonly { readonly name: string; readonly health: string; readonly lastError?: string }[]
  >
  stop(): Promise<unknown>
}

/** Starts one that scrapes an address each second. */
export async function startPrometheus(target: string): Promise<Prometheus> {
  const port = await freePort()
  const folder = temporaryFolder('prometheus')
  const config = join(folder, 'prometheus.yml')
  writeFileSync(
    config,
    `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [${JSON.stringify(rulesFile)}]
scrape_configs:
  - job_name: evenkeel
    static_configs: [{ targets: [${JSON.stringify(target)}] }]
`,
  )
  const started = startProcess('prometheus', [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ])
  await waitUntilReady(started, 'prometheus', () => isListening(port))
  const read = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)
    const { status, data, error } = (await response.json()) as Record<string, unknown>
    if (status !== 'success') throw new Error(`${path}: ${String(error)}`)
    return data
  }
  return {
    async query(expression) {
      const data = await read(`query?query=${encodeURIComponent(expression)}`)
      return (data as { result: { metric: Record<string, string> }[] }).result
    },
    async rules() {
      const data = await read('rules')
      const { groups } = data as {
        groups: { rules: { name: string; health: string; lastError?: string }[] }[]
      }
      return groups.flatMap((group) => group.rules)
    },
    stop: () => started.stop(),
  }
}

/** Runs promtool; what it says is both of its outputs. */
export async function promtool(
  words: readonly string[],
  input = '',
): Promise<{ readonly code: number | null; readonly said: string }> {
  const { code, stdout, stderr } = await runProcess('promtool', [...words], { input })
  return { code, said: stdout + stderr }
}
