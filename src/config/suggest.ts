// "Did you mean …": nearest names by typing distance, and words that other proxies use for ours.

/**
 * Damerau-Levenshtein distance (optimal string alignment): insertions, deletions, replacements and
 * swaps of neighbours, ignoring case.
 */
export function distance(left: string, right: string): number {
  const a = left.toLowerCase()
  const b = right.toLowerCase()
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, before[j - 2]! + 1)
      }
      row.push(best)
    }
    before = last
    last = row
  }
  return last[b.length]!
}

/** The candidate nearest to `word`, if it is near enough to be what was meant. */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  const bare = plain(word)
  const extended =
    bare.length < 3 ? [] : [...candidates].filter((name) => extend(plain(name), bare))
  if (extended.length === 1) return extended[0]!
  let best: string | null = null
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue
    const found = distance(word, candidate)
    if (found < bestDistance) {
      best = candidate
      bestDistance = found
    }
  }
  return best
}

// `leastconn` for `least-connections`, `warning` for `warn`.
function extend(one: string, two: string): boolean {
  return one.length >= 3 && (one.startsWith(two) || two.startsWith(one))
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, '')
}

/** Words of HAProxy, nginx, Envoy, Traefik and Caddy for keys that have another name here. */
export const foreignWords: Readonly<Record<string, string>> = {
  frontend: 'listeners',
  frontends: 'listeners',
  entrypoint: 'listeners',
  entrypoints: 'listeners',
  server: 'listeners or pools',
  servers: 'backends',
  upstream: 'pools',
  upstreams: 'pools',
  cluster: 'pools',
  clusters: 'pools',
  services: 'pools',
  node: 'backends',
  nodes: 'backends',
  targets: 'backends',
  endpoints: 'backends',
  hosts: 'backends',
  listen: 'bind',
  address: 'bind',
  algorithm: 'balance',
  strategy: 'balance',
  lb: 'balance',
  policy: 'balance',
  check: 'healthCheck',
  healthchecks: 'healthCheck',
  rules: 'routes',
  locations: 'routes',
  vhosts: 'routes',
  retries: 'retry',
  workers: 'threads',
  passivehealthcheck: 'outlierDetection',
  expectedstatus: 'status',
  uri: 'path',
  prefix: 'path',
  pathprefix: 'path',
  methods: 'method',
  headers: 'header',
  code: 'status',
  url: 'location',
  to: 'location',
}

/** A hint that lists what is accepted, nearest first when there is one. */
export function suggest(word: string, candidates: readonly string[], what: string): string {
  const near = nearest(word, candidates)
  if (near !== null) return `did you mean ${near}?`
  if (candidates.length === 0) return `there are no ${what}`
  const shown = candidates.slice(0, 12).join(', ')
  return `${what}: ${shown}${candidates.length > 12 ? ', ...' : ''}`
}
