// A demo backend of `evenkeel quickstart`, in a process of its own so that it can be killed.
//   /health answers at once, /slow after a second, anything else with its name and pid.

import { createServer } from 'node:http'

const [name = 'demo', port = '0'] = process.argv.slice(2)

const server = createServer((request, response) => {
  const answer = (): void => {
    response.setHeader('content-type', 'text/plain')
    response.end(`${name} (pid ${process.pid}) answers ${request.method} ${request.url}\n`)
  }
  if (request.url === '/slow') setTimeout(answer, 1_000)
  else answer()
})
server.listen(Number(port), '127.0.0.1', () => process.send?.('listening'))
server.on('error', () => process.exit(1))

// Ctrl-C goes to the whole group: the balancer drains first and then lets go of us.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(0))
