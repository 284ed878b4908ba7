// The library: a balancer inside another program.
//   const loaded = loadConfig('evenkeel.yaml', process.env)
//   if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics))
//   const balancer = await startBalancer(loaded.plan, { inProcess: true })

export { loadConfig, parseConfig } from './config/load.ts'
export { planFromEnvironment } from './config/from-environment.ts'
export { formatDiagnostics } from './config/diagnostics.ts'
export type { Diagnostic } from './config/diagnostics.ts'
export type { LoadResult } from './config/evaluate.ts'
export type { ActAnswer, OperatorRequest } from './core/operator.ts'
export type { Address, Plan } from './core/plan.ts'
export type { BackendStatus, MoveReport, PoolStatus, Transition } from './core/status.ts'
export { openLog } from './observe/log.ts'
export type { Log } from './observe/log.ts'
export { startBalancer } from './runtime/balancer.ts'
export type { BalancerOptions, RunningBalancer } from './runtime/running-balancer.ts'
