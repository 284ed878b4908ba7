// `evenkeel healthcheck`: for Docker's HEALTHCHECK and for scripts; images have no curl.

import { Command } from 'commander'
import { type AdminTarget, findAdmin, readAdmin } from './admin-client.ts'
import { withAdminOptions } from './admin-options.ts'
import { EXIT, Failure, say } from './terminal.ts'

interface HealthcheckOptions extends AdminTarget {
  readonly live: boolean
}

export function healthcheckCommand(finish: (code: number) => void): Command {
  const command = new Command('healthcheck')
    .description('Exit with 0 if a running balancer is ready for traffic, else with 1.')
    .option('--live', 'ask whether it is alive instead of ready', false)
  return withAdminOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  evenkeel healthcheck && echo ready
  HEALTHCHECK CMD ["node", "/app/dist/src/main.js", "healthcheck"]`,
    )
    .action(async (options: HealthcheckOptions) => {
      finish(await healthcheck(options))
    })
}

// Whatever goes wrong, the answer is 1: Docker reserves the other codes.
async function healthcheck(options: HealthcheckOptions): Promise<number> {
  try {
    const path = options.live ? '/livez' : '/readyz'
    const { status, body } = await readAdmin(await findAdmin(options), path)
    say(body.trim())
    return status === 200 ? EXIT.ok : EXIT.failed
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    say(error.message)
    return EXIT.failed
  }
}
