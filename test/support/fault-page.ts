// Renders docs/faults.md from the fault table. To bring the page up to date:
//   npm run build && node dist/test/support/fault-page.js > docs/faults.md

import { fileURLToPath } from 'node:url'
import type { Fault } from '../../src/core/fault.ts'
import { FAULTS } from '../../src/core/fault.ts'

const sides = {
  client: 'Caused by the client',
  backend: 'Caused by a backend',
  balancer: 'Caused by Evenkeel or its settings',
} as const

const retries = {
  always: 'any request: nothing of it had reached the backend',
  replayable: 'if its method and body allow it',
  never: 'no',
} as const

/** The whole page. */
export function faultPage(): string {
  const sections = Object.entries(sides).map(([side, title]) => {
    const faults = FAULTS.filter((fault) => fault.side === side)
    return `## ${title}\n\n${faults.map(describe).join('\n')}`
  })
  return `# Faults

Everything that can go wrong with traffic, as one closed list: \`src/core/fault.ts\`, from which this page is made. The
same codes stand in the \`Evenkeel-Fault\` header of our own replies, in the access log, and in the label \`fault\` of
\`evenkeel_faults_total\`.

*Phase* says how far the exchange had come: \`accept\`, \`parse\`, \`route\`, \`queue\`, \`connect\`, \`send\`, \`wait\` (for the
response head), \`body\`. *Retried* says whether another backend is tried.

${sections.join('\n')}`
}

function describe({ code, phase, retry, status, sentence }: Fault): string {
  const answer = status === 0 ? 'none, the connection is closed' : String(status)
  return `### ${code}

${sentence}

Phase: ${phase}. Status: ${answer}. Retried: ${retries[retry]}.
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(faultPage())
