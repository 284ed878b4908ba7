// What Kubernetes says of a service in its EndpointSlices (discovery.k8s.io/v1), kept slice by slice
// as a watch tells it, and which endpoints of them are backends. No I/O.

import { isIP } from 'node:net'
import type { Found } from '../core/membership.ts'
import { fieldsOf, listOf, textOf } from './json-api.ts'

interface Endpoint {
  /** The pod, where there is one. */
  readonly name: string | null
  readonly host: string
  readonly port: number
  readonly zone: string | null
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
}

interface Slice {
  readonly endpoints: readonly Endpoint[]
  readonly refused: readonly string[]
}

export interface EndpointReading {
  readonly found: readonly Found[]
  readonly refused: readonly string[]
}

/** The slices of one service. */
export class EndpointSlices {
  readonly #port: string | number | null
  readonly #slices = new Map<string, Slice>()

  /** @param port name or number; `null`: the only one */
  constructor(port: string | number | null) {
    this.#port = port
  }

  /** A slice as it is now. What is no slice is left out. */
  set(object: unknown): void {
    const name = nameOf(object)
    if (name !== null) this.#slices.set(name, readSlice(fieldsOf(object), this.#port))
  }

  delete(object: unknown): void {
    const name = nameOf(object)
    if (name !== null) this.#slices.delete(name)
  }

  /** Everybody who is in one of them. */
  read(): EndpointReading {
    const slices = [...this.#slices.values()]
    const all = onePerPod(slices.flatMap(({ endpoints }) => endpoints))
    const refused = [...new Set(slices.flatMap((slice) => slice.refused))]
    const isAnyReady = all.some(({ ready }) => ready)
    const found = all.map((endpoint): Found => {
      const { name, host, port, zone, ready, serving, terminating } = endpoint
      // With nobody ready, those who are about to go and still answer are better than none.
      const isLast = !isAnyReady && serving && terminating
      const address = { kind: 'tcp', host, port } as const
      return { name, address, weight: ready || isLast ? 1 : 0, zone }
    })
    return { found, refused }
  }
}

/** `resourceVersion` of an object or a list. */
export function versionOf(object: unknown): string | null {
  return textOf(fieldsOf(fieldsOf(object)['metadata'])['resourceVersion'])
}

function nameOf(object: unknown): string | null {
  return textOf(fieldsOf(fieldsOf(object)['metadata'])['name'])
}

function readSlice(
  slice: Readonly<Record<string, unknown>>,
  wanted: string | number | null,
): Slice {
  // FQDN slices name hosts, which are DNS's business.
  if (slice['addressType'] !== 'IPv4' && slice['addressType'] !== 'IPv6') {
    return { endpoints: [], refused: [] }
  }
  const endpoints = listOf(slice['endpoints']).map(fieldsOf)
  const port = portOf(listOf(slice['ports']).map(fieldsOf), wanted)
  if (typeof port === 'string')
    return { endpoints: [], refused: endpoints.length > 0 ? [port] : [] }
  return {
    endpoints: endpoints.flatMap((endpoint) => readEndpoint(endpoint, port)),
    refused: [],
  }
}

function readEndpoint(endpoint: Readonly<Record<string, unknown>>, port: number): Endpoint[] {
  // The API says that all addresses of an endpoint are the same one, and the first is to be used.
  const host = textOf(listOf(endpoint['addresses'])[0])
  if (host === null || isIP(host) === 0) return []
  const { ready, serving, terminating } = fieldsOf(endpoint['conditions'])
  const isReady = ready !== false
  return [
    {
      name: textOf(fieldsOf(endpoint['targetRef'])['name']),
      host,
      port,
      zone: textOf(endpoint['zone']),
      ready: isReady && terminating !== true,
      // Absent conditions count as true, absent `serving` as `ready` (before Kubernetes 1.22).
      serving: serving === undefined || serving === null ? isReady : serving === true,
      terminating: terminating === true,
    },
  ]
}

function portOf(
  ports: readonly Readonly<Record<string, unknown>>[],
  wanted: string | number | null,
): number | string {
  const usable = ports.flatMap(({ name, port, protocol }) => {
    const isTcp = protocol === undefined || protocol === null || protocol === 'TCP'
    return isTcp && typeof port === 'number' ? [{ name: textOf(name) ?? '', port }] : []
  })
  if (wanted === null) {
    if (usable.length === 1) return usable[0]!.port
    return usable.length === 0
      ? 'the service has no tcp port'
      : 'the service has several ports: say which'
  }
  const found = usable.find(({ name, port }) => name === wanted || port === wanted)
  return found?.port ?? `the service has no port ${wanted}`
}

/** A pod may be in several slices, for a moment or with an address of each family: it is one. */
function onePerPod(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const known = new Map<string, Endpoint>()
  for (const endpoint of endpoints) {
    const key = endpoint.name ?? `${endpoint.host} ${endpoint.port}`
    const other = known.get(key)
    if (other === undefined || rank(endpoint) < rank(other)) known.set(key, endpoint)
  }
  return [...known.values()]
}

// IPv4 goes first, so that a pod's address does not depend on which slice came when; then who is ready.
function rank({ host, ready }: Endpoint): number {
  return (isIP(host) === 4 ? 0 : 2) + (ready ? 0 : 1)
}
