// @fastify/http-proxy as a reverse proxy: node fastify.js PORT LOG-FILE|off BACKEND…
// Round robin over the backends through undici, and the headers every proxy of the bench adds.

import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'

const [port, log, ...backends] = process.argv.slice(2)
const upstreams = backends.map((backend) => `http://${backend}`)
const app = Fastify({
  logger: log === 'off' ? false : { file: log },
  keepAliveTimeout: 60_000,
})

let turn = 0
await app.register(httpProxy, {
  upstream: '',
  undici: { connections: 128, pipelining: 1, keepAliveTimeout: 60_000 },
  replyOptions: {
    getUpstream: () => {
      turn = turn === upstreams.length - 1 ? 0 : turn + 1
      return upstreams[turn]
    },
    // As it is, it passes the backend's own Connection header on, and says keep-alive before it closes.
    rewriteHeaders: (headers) => {
      delete headers.connection
      delete headers['keep-alive']
      return headers
    },
    rewriteRequestHeaders: (request, headers) => ({
      ...headers,
      host: request.headers.host,
      'x-forwarded-for': request.ip,
      'x-forwarded-proto': request.protocol,
      'x-forwarded-host': request.headers.host,
      via: '1.1 fastify',
    }),
  },
})
await app.listen({ port: Number(port), host: '127.0.0.1', backlog: 4_096 })
