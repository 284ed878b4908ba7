// Where further backends come from, in the compiled configuration (core/plan.ts): one shape for
// each kind of source. Plain data, as the plan is.

export type SourcePlan = DnsSourcePlan | FileSourcePlan | DockerSourcePlan | KubernetesSourcePlan

export interface DnsSourcePlan {
  readonly kind: 'dns'
  readonly name: string
  /** `address`: A and AAAA. */
  readonly type: 'address' | 'A' | 'AAAA' | 'SRV'
  /** Of every member; 0 with SRV, whose records say it. */
  readonly port: number
  /** `10.0.0.2:53`, `[::1]:53`; empty for those of the system. */
  readonly servers: readonly string[]
  /** A record is asked for again after its TTL, within these bounds. */
  readonly ttlMinMs: number
  readonly ttlMaxMs: number
}

export interface FileSourcePlan {
  readonly kind: 'file'
  /** Absolute. */
  readonly path: string
}

export interface DockerSourcePlan {
  readonly kind: 'docker'
  /** Path of the unix socket of its API. */
  readonly socket: string
  /** The network whose addresses are used; `null`: the only one of a container. */
  readonly network: string | null
  /** A further label that containers must have, `name` or `name=value`. */
  readonly label: string | null
  /** For containers without `evenkeel.port`; `null`: their only exposed one. */
  readonly port: number | null
}

export interface KubernetesSourcePlan {
  readonly kind: 'kubernetes'
  readonly service: string
  /** `null`: that of the service account. */
  readonly namespace: string | null
  /** Name or number; `null`: the only one of the service. */
  readonly port: string | number | null
  /** Base address of the API such as `https://10.96.0.1:443`; `null`: the cluster's own. */
  readonly server: string | null
  /** Files with the token and the authority; `null`: those of the service account. */
  readonly tokenFile: string | null
  readonly caFile: string | null
}
