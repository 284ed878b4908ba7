// `evenkeel version`.

import { Command } from 'commander'
import { packageVersion } from '../runtime/version.ts'
import { put } from './terminal.ts'

export function versionCommand(): Command {
  return new Command('version')
    .description('Show the version.')
    .addHelpText('after', '\nExample:\n  evenkeel version')
    .action(() => put(`${versionText()}\n`))
}

/** `evenkeel 1.0.0 on Node.js 22.12.0`. */
export function versionText(): string {
  return `evenkeel ${packageVersion()} on Node.js ${process.versions.node}`
}
