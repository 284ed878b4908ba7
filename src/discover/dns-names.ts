// Which names a short name may stand for: the search list of resolv.conf(5), which c-ares leaves to
// its callers. In Kubernetes and in containers people write short names.

/** `search` and `ndots` as resolv.conf has them. */
export interface SearchRules {
  readonly domains: readonly string[]
  readonly dots: number
}

const NO_SEARCH: SearchRules = { domains: [], dots: 1 }
const DOMAINS_MAX = 32
const DOTS_MAX = 15

/** Reads what resolv.conf says; the last `search` or `domain` counts. */
export function parseResolvConf(text: string): SearchRules {
  let { domains, dots } = NO_SEARCH
  for (const line of text.split('\n')) {
    const [key, ...values] = line.trim().split(/\s+/)
    if (key === 'search' || key === 'domain') {
      domains = values.map((one) => one.replace(/^\.+|\.+$/g, '')).filter((one) => one !== '')
    } else if (key === 'options') {
      const found = values.findLast((one) => /^ndots:\d+$/.test(one))
      if (found !== undefined) dots = Math.min(DOTS_MAX, Number(found.slice('ndots:'.length)))
    }
  }
  return { domains: domains.slice(0, DOMAINS_MAX), dots }
}

/** Full names to ask for, in order; the first that exists is the one that is meant. */
export function candidates(name: string, { domains, dots }: SearchRules): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)]
  const longer = domains.map((domain) => `${name}.${domain}`)
  const isFull = name.split('.').length - 1 >= dots
  return isFull ? [name, ...longer] : [...longer, name]
}
