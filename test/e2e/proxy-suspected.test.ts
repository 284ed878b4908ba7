import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READ_INTO, withPlane } from '../support/plane.ts'
import { always, ok, request, response } from '../support/raw.ts'
import type { Script } from '../support/raw.ts'

// The data plane judges nobody, but between its report and the control plane's answer it does not
// go on sending writes to a backend that has just earned its ejection.

const resets: Script = async (peer) => {
  await request(peer)
  peer.reset()
}

for (const readInto of READ_INTO) {
  test(`a backend with a full streak is avoided before the control plane has spoken (${readInto})`, async () => {
    await withPlane({ readInto, backends: [resets, always(ok('good'))] }, async (plane) => {
      const answers: string[] = []
      for (let i = 0; i < 12; i++) {
        const client = await plane.connect()
        client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx')
        answers.push((await response(client)).start.slice(9, 12))
      }
      // Two resets on fresh connections count 3 each; 5 are enough.
      assert.equal(answers.filter((status) => status === '502').length, 2)
      assert.equal(plane.backend(0, 'attempts'), 2)
      assert.equal(plane.pool('unknownOutcomes'), 2)
    })
  })

  test(`a suspected backend that is the only one still serves (${readInto})`, async () => {
    await withPlane({ readInto, backends: [resets] }, async (plane) => {
      for (let i = 0; i < 4; i++) {
        const client = await plane.connect()
        client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx')
        assert.match((await response(client)).start, / 502 /)
      }
      assert.equal(plane.backend(0, 'attempts'), 4)
    })
  })
}
