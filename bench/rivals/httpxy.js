// httpxy as a reverse proxy: node httpxy.js PORT BACKEND…
// Round robin over the backends, a keep-alive agent, and the headers every proxy of the bench adds.

import { Agent, createServer } from 'node:http'
import { createProxyServer } from 'httpxy'

const [port, ...backends] = process.argv.slice(2)
const targets = backends.map((backend) => new URL(`http://${backend}`))
const agent = new Agent({ keepAlive: true, maxFreeSockets: 256, scheduling: 'lifo' })
const proxy = createProxyServer({ agent, xfwd: true, headers: { via: '1.1 httpxy' } })
proxy.on('error', (_error, _request, response) => {
  if (response.headersSent) response.destroy()
  else response.writeHead(502).end()
})

let turn = 0
const server = createServer((request, response) => {
  turn = turn === targets.length - 1 ? 0 : turn + 1
  proxy.web(request, response, { target: targets[turn] }).catch(() => {})
})
server.keepAliveTimeout = 60_000
server.listen(Number(port), '127.0.0.1', 4_096)
