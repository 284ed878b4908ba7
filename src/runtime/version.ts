// The version of this program, from the package that it is installed as.

import { readFileSync } from 'node:fs'

/** Semantic version, e.g. `0.1.0`. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
