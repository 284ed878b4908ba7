import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import net from 'node:net'
import { describe, test } from 'node:test'
import { READ_INTO, withPlane } from '../support/plane.ts'
import type { TestPlane } from '../support/plane.ts'

// What goes in comes out, byte for byte, whatever is slow, large, split or shared. Each body is a
// pattern of its own, so that bytes of another connection's buffer could not go unnoticed.

const sha = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex')

/** Bytes that tell their origin: no two bodies have a common stretch. */
function pattern(seed: number, length: number): Buffer {
  const block = randomBytes(997)
  block.writeUInt32LE(seed, 0)
  return Buffer.alloc(length, block)
}

/** A server that keeps what it is sent and answers with what `answers` holds under the path. */
async function bodyServer(answers: Map<string, Buffer>, uploads: Map<string, string>) {
  const server = http.createServer((request, response) => {
    const hash = createHash('sha1')
    request.on('data', (bytes: Buffer) => hash.update(bytes))
    request.on('end', () => {
      const path = request.url!
      uploads.set(path, hash.digest('hex'))
      const body = answers.get(path) ?? Buffer.from('none')
      const kind = path.split('-')[1]
      if (kind === 'length') response.setHeader('content-length', body.length)
      if (kind === 'close') response.setHeader('connection', 'close')
      let at = 0
      const more = (): void => {
        while (at < body.length) {
          const size = Math.min(body.length - at, 1 + ((at * 7919) % 150_000))
          const go = response.write(body.subarray(at, at + size))
          at += size
          if (!go) {
            response.once('drain', more)
            return
          }
        }
        response.end()
      }
      more()
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as net.AddressInfo
  return {
    address: `127.0.0.1:${port}`,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

interface Transfer {
  readonly path: string
  readonly upload: Buffer | null
  readonly chunked: boolean
  /** Stops reading for a while now and then. */
  readonly slow: boolean
}

function transfer(port: number, agent: http.Agent, job: Transfer): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string | number> = {}
    if (job.upload !== null && !job.chunked) headers['content-length'] = job.upload.length
    const method = job.upload === null ? 'GET' : 'PUT'
    const request = http.request({ port, agent, path: job.path, method, headers }, (response) => {
      const hash = createHash('sha1')
      let reads = 0
      response.on('data', (bytes: Buffer) => {
        hash.update(bytes)
        if (job.slow && ++reads % 16 === 0) {
          response.pause()
          setTimeout(() => response.resume(), 2)
        }
      })
      response.on('end', () => resolve(hash.digest('hex')))
      response.on('error', reject)
    })
    request.on('error', reject)
    const body = job.upload ?? Buffer.alloc(0)
    let at = 0
    const more = (): void => {
      while (at < body.length) {
        const size = Math.min(body.length - at, 1 + ((at * 104_729) % 90_000))
        const go = request.write(body.subarray(at, at + size))
        at += size
        if (!go) {
          request.once('drain', more)
          return
        }
      }
      request.end()
    }
    more()
  })
}

const SIZES = [0, 1, 1_000, 16_383, 16_384, 32_768, 65_535, 65_536, 65_537, 200_000, 3_000_000]

async function runTransfers(
  plane: TestPlane,
  answers: Map<string, Buffer>,
  uploads: Map<string, string>,
) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 24 })
  const jobs: { job: Transfer; answer: Buffer }[] = []
  let seed = 0
  for (const size of SIZES) {
    for (const kind of ['length', 'chunked', 'close']) {
      for (const slow of [false, true]) {
        const path = `/${++seed}-${kind}`
        const answer = pattern(seed, size)
        answers.set(path, answer)
        const uploadSize = SIZES[(seed * 5) % SIZES.length]!
        const upload = seed % 3 === 0 ? null : pattern(10_000 + seed, uploadSize)
        jobs.push({ job: { path, upload, chunked: seed % 2 === 0, slow }, answer })
      }
    }
  }
  await Promise.all(
    jobs.map(async ({ job, answer }) => {
      const got = await transfer(plane.port(), agent, job)
      assert.equal(got, sha(answer), `answer of ${job.path} (${answer.length} bytes)`)
      const sent = sha(job.upload ?? Buffer.alloc(0))
      assert.equal(uploads.get(job.path), sent, `upload of ${job.path}`)
    }),
  )
  agent.destroy()
}

for (const readInto of READ_INTO) {
  describe(`bytes through the proxy, reading into ${readInto} buffers`, () => {
    test('bodies of all sizes and framings arrive intact, many at once, with slow readers', async () => {
      const answers = new Map<string, Buffer>()
      const uploads = new Map<string, string>()
      const servers = [await bodyServer(answers, uploads), await bodyServer(answers, uploads)]
      const addresses = servers.map(({ address }) => address)
      await withPlane({ readInto, addresses }, async (plane) => {
        await runTransfers(plane, answers, uploads)
        // Again over connections and buffers that have been used before.
        await runTransfers(plane, answers, uploads)
      })
      for (const server of servers) server.stop()
    })

    test('a client that does not read stops its backend, and gets everything when it reads', async () => {
      const size = 48 * 1024 * 1024
      const body = pattern(1, size)
      let written = 0
      const server = net.createServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
          const more = (): void => {
            while (written < size) {
              const go = socket.write(body.subarray(written, written + 65_536))
              written += 65_536
              if (!go) {
                socket.once('drain', more)
                return
              }
            }
          }
          more()
        })
      })
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve)
      })
      const address = `127.0.0.1:${(server.address() as net.AddressInfo).port}`
      await withPlane({ readInto, addresses: [address] }, async (plane) => {
        const client = await plane.connect()
        client.stop()
        client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        await plane.until('the answer', () => written > 0)
        await plane.settled(() => written)
        assert.ok(
          written < size,
          `${written} of ${size} bytes were taken for a client that reads none`,
        )
        client.go()
        await client.until('\r\n\r\n')
        assert.equal(await client.hash(size), sha(body))
      })
      server.close()
    })

    test('an answer pending for one client is not overwritten by the next one of its backend', async () => {
      // The first client does not read: the end of its answer stays pending while the backend
      // connection already serves the second.
      const size = 6_000_000
      const bodies = [pattern(1, size), pattern(2, size), pattern(3, size)]
      const server = http.createServer((request, response) => {
        const body = bodies[Number(request.url!.slice(1))]!
        response.setHeader('content-length', body.length)
        response.end(body)
      })
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve)
      })
      const address = `127.0.0.1:${(server.address() as net.AddressInfo).port}`
      await withPlane({ readInto, addresses: [address] }, async (plane) => {
        const slow = await plane.connect()
        slow.stop()
        slow.write('GET /0 HTTP/1.1\r\nHost: x\r\n\r\n')
        const quick = await plane.connect()
        for (const path of [1, 2, 1]) {
          quick.write(`GET /${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
          await quick.until('\r\n\r\n')
          assert.equal(await quick.hash(size), sha(bodies[path]!))
        }
        slow.go()
        await slow.until('\r\n\r\n')
        assert.equal(await slow.hash(size), sha(bodies[0]!))
      })
      server.closeAllConnections()
      server.close()
    })

    test('a TCP tunnel carries both directions at once, and each end on its own', async () => {
      const down = pattern(1, 8_000_000)
      const up = pattern(2, 8_000_000)
      let received = Promise.resolve('')
      const server = net.createServer({ allowHalfOpen: true }, (socket) => {
        received = new Promise((resolve) => {
          const hash = createHash('sha1')
          socket.on('data', (bytes) => hash.update(bytes))
          socket.on('end', () => {
            resolve(hash.digest('hex'))
            // The client has ended; our direction goes on.
            socket.end(down)
          })
        })
      })
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve)
      })
      const address = `127.0.0.1:${(server.address() as net.AddressInfo).port}`
      await withPlane(
        { readInto, addresses: [address], listener: { protocol: 'tcp' } },
        async (plane) => {
          const client = await plane.connect()
          await client.send(up)
          client.finish()
          assert.equal(await client.hash(down.length), sha(down))
          assert.equal(await client.end(), '')
          assert.equal(await received, sha(up))
        },
      )
      server.close()
    })
  })
}
