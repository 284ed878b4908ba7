// How a process starts its successor: the same command line and environment, and the program as it is
// on the disk now. And where that makes no sense.

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { BINARY_VARIABLE, SUCCESSOR_VARIABLE } from './upgrade-protocol.ts'

/** @param fds become 4, 5, … of the new process; 3 is the channel */
export function startSuccessor(fds: readonly number[]): ChildProcess {
  const binary = process.env[BINARY_VARIABLE] ?? ''
  const [, file = '', ...words] = process.argv
  const [command, args] =
    binary === '' ? [process.execPath, [...process.execArgv, file, ...words]] : [binary, words]
  return spawn(command, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...fds],
    env: { ...process.env, [SUCCESSOR_VARIABLE]: '1' },
  })
}

/** Why a process in this environment can't be followed by another; `null` if it can. */
export function placeRefusal(pid: number, env: NodeJS.ProcessEnv): string | null {
  if (pid === 1) {
    return 'This process is the first of its container, which ends with it: replace the container instead.'
  }
  const isService = env['SYSTEMD_EXEC_PID'] === String(pid)
  if (isService && (env['NOTIFY_SOCKET'] ?? '') === '') {
    return 'systemd would stop the service with this process: set Type=notify and NotifyAccess=all in its unit.'
  }
  return null
}
