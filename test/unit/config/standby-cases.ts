// Configurations around one active-standby pool, and around one cluster.

/** An active-standby pool `app` of two backends with a health check, and these settings. */
export function standby(settings = '', backends = '{ a: 10.0.0.1:80, b: 10.0.0.2:80 }'): string {
  return `runtime: { stateDir: /var/lib/evenkeel }
listeners:
  web: { bind: ":8080", pool: app }
pools:
  app:
    mode: active-standby
    backends: ${backends}
    healthCheck: { tcp: {} }
    ${settings}
`
}

/** The same pool with these settings of `failover`. */
export function failover(settings: string): string {
  return standby(`failover: { ${settings} }`)
}

/** A backend in each of these sites, called like them. */
export function inSites(...sites: string[]): string {
  const backends = sites.map((site, index) => {
    return `${site}: { address: "10.0.0.${index + 1}:80", site: ${site} }`
  })
  return `{ ${backends.join(', ')} }`
}

/** Three replicas, and these settings beside them, and a pool that agrees by them. */
export function cluster(
  settings: string,
  replicas = '{ a: 10.0.0.1:9910, b: 10.0.0.2:9910, c: 10.0.0.3:9910 }',
): string {
  return `runtime: { stateDir: /var/lib/evenkeel }
cluster:
  replicas: ${replicas}
  ${settings.replaceAll('\n', '\n  ')}
listeners: { web: { bind: ":8080", pool: app } }
pools:
  app:
    mode: active-standby
    backends: { a: 10.0.0.1:80, b: 10.0.0.2:80 }
    healthCheck: { tcp: {} }
    failover: { agreement: etcd }
`
}

/** Endpoints of three etcd servers. */
export const endpoints = 'etcd: { endpoints: "http://e1:2379, http://e2:2379, http://e3:2379" }'
