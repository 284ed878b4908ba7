// The configuration in force as the admin API shows it: the plan in the words of the configuration.

import type { EffectiveConfig, Settings } from '../admin/config-routes.ts'
import type { Words } from '../config/plan-words.ts'
import { backendWords, listenerWords, poolWords, processWords } from '../config/plan-words.ts'
import type { Plan } from '../core/plan.ts'

/** Secrets are left out by the words themselves. */
export function configView(plan: Plan): EffectiveConfig {
  const listeners = plan.listeners.map((one): [string, Settings] => [
    one.name,
    shown(listenerWords(one, plan)),
  ])
  // The replicas of a pool that are read from are a part of it, not a pool that somebody wrote.
  const pools = plan.pools
    .filter(({ replicasOf }) => replicasOf < 0)
    .map((pool): [string, EffectiveConfig['pools'][string]] => {
      const backends = pool.backends.map((one): [string, Settings] => [
        one.name,
        shown(backendWords(one, pool.sites)),
      ])
      return [pool.name, { settings: shown(poolWords(pool)), backends: entries(backends) }]
    })
  return {
    settings: shown(processWords(plan)),
    listeners: entries(listeners),
    pools: entries(pools),
  }
}

function shown(words: Words): Settings {
  return entries([...words].map(([path, { shown }]): [string, string] => [path, shown]))
}

/** `__proto__` is a name like any other. */
function entries<T>(list: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  return Object.fromEntries(list)
}
