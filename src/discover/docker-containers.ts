// What Docker says of its containers, and which of them are backends: those with our labels, at the
// address they have in one network. Everything in it may have been written by anybody who may start
// a container. Pure.

import { isIP } from 'node:net'
import type { Found } from '../core/membership.ts'
import { WEIGHT_MAX } from '../core/membership.ts'
import type { DockerSourcePlan } from '../core/source-plan.ts'
import { fieldsOf, listOf, textOf } from './json-api.ts'

/** Containers as backends, and why others that asked for it can't be. */
export interface ContainerReading {
  readonly found: readonly Found[]
  readonly refused: readonly string[]
}

const PREFIX = 'evenkeel.'

/** `filters` of the request for the list: those that run and have our labels. */
export function listFilters(pool: string, { label }: DockerSourcePlan): string {
  const labels = [`${PREFIX}enable=true`, `${PREFIX}pool=${pool}`]
  return JSON.stringify({
    label: label === null ? labels : [...labels, label],
    status: ['running'],
  })
}

/** `filters` of the request for events: whatever may change the list. */
export const EVENT_FILTERS: string = JSON.stringify({ type: ['container', 'network'] })

/** Reads the answer of `/containers/json`; `null` if it is no such answer. */
export function readContainers(body: unknown, plan: DockerSourcePlan): ContainerReading | null {
  if (!Array.isArray(body)) return null
  const found: Found[] = []
  const refused: string[] = []
  for (const container of body.map(fieldsOf)) {
    const name = nameOf(container)
    const one = readContainer(name, container, plan)
    if (typeof one === 'string') refused.push(`container ${name} ${one}`)
    else found.push(one)
  }
  return { found, refused }
}

type Fields = Readonly<Record<string, unknown>>

function readContainer(name: string, container: Fields, plan: DockerSourcePlan): Found | string {
  const labels = fieldsOf(container['Labels'])
  const host = hostOf(container, plan.network)
  if (!host.ok) return host.why
  const port = portOf(container, labels, plan.port)
  if (typeof port === 'string') return port
  const weight = labels[`${PREFIX}weight`] ?? '1'
  if (typeof weight !== 'string' || !/^\d{1,5}$/.test(weight) || Number(weight) > WEIGHT_MAX) {
    return `has a label ${PREFIX}weight that is no weight`
  }
  return {
    name,
    address: { kind: 'tcp', host: host.address, port },
    // Known and not fit: nothing new goes there, and it stays visible.
    weight: isFit(container) ? Number(weight) : 0,
    zone: textOf(labels[`${PREFIX}zone`]),
  }
}

// A container has a further name `/other/alias` for each that links to it.
function nameOf(container: Fields): string {
  const names = listOf(container['Names']).map(textOf)
  const own = names.find((name) => name !== null && name.lastIndexOf('/') === 0)
  return own?.slice(1) ?? textOf(container['Id'])?.slice(0, 12) ?? 'without a name'
}

/** Docker's own check, if the image has one: in the status text, and from API 1.52 on as `Health`. */
function isFit(container: Fields): boolean {
  const health = textOf(fieldsOf(container['Health'])['Status'])
  if (health !== null && health !== 'none') return health === 'healthy'
  const status = textOf(container['Status']) ?? ''
  return !/\((unhealthy|health: starting)\)/.test(status)
}

type Host =
  | { readonly ok: true; readonly address: string }
  | { readonly ok: false; readonly why: string }

function hostOf(container: Fields, wanted: string | null): Host {
  const networks = fieldsOf(fieldsOf(container['NetworkSettings'])['Networks'])
  const addresses = Object.entries(networks).flatMap(([name, network]) => {
    const { IPAddress: four, GlobalIPv6Address: six } = fieldsOf(network)
    const address = [four, six].map(textOf).find((one) => one !== null && isIP(one) > 0)
    return address == null ? [] : [{ name, address }]
  })
  if (wanted !== null) {
    const found = addresses.find(({ name }) => name === wanted)
    if (found !== undefined) return { ok: true, address: found.address }
    return { ok: false, why: `has no address in network ${wanted}` }
  }
  const [first, ...others] = addresses
  if (first === undefined) {
    const why = 'host' in networks ? "uses the host's network" : 'has no address'
    return { ok: false, why }
  }
  if (others.length === 0) return { ok: true, address: first.address }
  const names = addresses.map(({ name }) => name).sort()
  return { ok: false, why: `is in several networks (${names.join(', ')}): say which by network` }
}

function portOf(container: Fields, labels: Fields, given: number | null): number | string {
  const label = labels[`${PREFIX}port`]
  if (label !== undefined) {
    const isPort = typeof label === 'string' && /^\d{1,5}$/.test(label)
    const port = isPort ? Number(label) : 0
    return port >= 1 && port <= 65_535 ? port : `has a label ${PREFIX}port that is no port`
  }
  if (given !== null) return given
  // The same port is listed once per address that it is published on.
  const exposed = new Set<number>()
  for (const one of listOf(container['Ports']).map(fieldsOf)) {
    const { PrivatePort: port, Type: type } = one
    if (typeof port === 'number' && (type === 'tcp' || type === undefined)) exposed.add(port)
  }
  const [only] = exposed
  if (only === undefined) return `exposes no port: give it a label ${PREFIX}port`
  return exposed.size === 1 ? only : `exposes several ports: give it a label ${PREFIX}port`
}
