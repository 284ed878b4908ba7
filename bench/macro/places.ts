// Where things are: folders of the repository, and who runs on which core.

import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository; this file runs from `dist/bench/macro`. */
export const repository: string = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')

/** Node proxies, a package of its own. */
export const rivalsFolder: string = join(repository, 'bench', 'rivals')

export const wrkReport: string = join(repository, 'bench', 'macro', 'wrk-report.lua')

/** Load, backends and the bench itself run on one core, the proxy alone on the other. */
export const loadCpu = 0
export const proxyCpu = 1
